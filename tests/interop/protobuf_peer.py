# SPDX-License-Identifier: Apache-2.0
"""Random messages through our converter and Google's runtime; any difference fails."""
import json
import random
import subprocess
import sys

from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor as F
import pb_test_pb2 as pb

CONVERT = sys.argv[1]
ROUNDS = 150
rnd = random.Random(20260)
INTS = {F.CPPTYPE_INT32: (-2**31, 2**31 - 1), F.CPPTYPE_INT64: (-2**63, 2**63 - 1),
        F.CPPTYPE_UINT32: (0, 2**32 - 1), F.CPPTYPE_UINT64: (0, 2**64 - 1)}


def convert(how, data):
    return subprocess.run([CONVERT, how], input=data, stdout=subprocess.PIPE, check=True).stdout


def scalar(f):
    t = f.cpp_type
    if t in INTS:
        lo, hi = INTS[t]
        return rnd.choice([lo, hi, 0, 1, rnd.randint(lo, hi), rnd.randint(max(lo, -200), 200)])
    if t == F.CPPTYPE_DOUBLE:
        return rnd.choice([0.0, -0.0, 1e308, 5e-324, float('inf'), rnd.uniform(-1e6, 1e6)])
    if t == F.CPPTYPE_FLOAT:
        return rnd.choice([0.0, 0.5, float('-inf'), rnd.randint(-1000, 1000) / 8])
    if t == F.CPPTYPE_BOOL:
        return rnd.random() < .5
    if t == F.CPPTYPE_ENUM:
        return rnd.choice([v.number for v in f.enum_type.values])
    text = ''.join(rnd.choice('aZ9 "\\\n\u00fc\u20ac\U0001f600') for _ in range(rnd.randint(0, 12)))
    return text if f.type == F.TYPE_STRING else rnd.randbytes(rnd.randint(0, 9))


def special(m, name):
    if name == 'Timestamp':
        m.seconds, m.nanos = rnd.randint(-62135596800, 253402300799), rnd.choice([0, 5000000, 123456789])
    elif name == 'Duration':
        sign = rnd.choice([-1, 1])
        m.seconds, m.nanos = sign * rnd.randint(0, 10**9), sign * rnd.choice([0, 1000, 999999999])
    elif name == 'FieldMask':
        m.paths.extend(['user.display_name', 'photo'])
    elif name == 'Any':
        m.Pack(rnd.choice([pb.Leaf(name='in any', id=rnd.randint(0, 9)), pb.Empty()]))
    elif name == 'Struct':
        m.update({'k': [1.5, 'x', None, True, {'deep': [[]]}], '': 'empty key'})
    elif name == 'Value':
        rnd.choice([lambda: setattr(m, 'number_value', 2.25), lambda: setattr(m, 'null_value', 0),
                    lambda: setattr(m, 'string_value', 's'), lambda: m.list_value.extend([1, 'a'])])()
    elif name == 'ListValue':
        m.extend([1, 'two', None, False])
    else:
        return False
    return True


def fill(m, depth):
    full = m.DESCRIPTOR.full_name
    if full.startswith('google.protobuf.') and special(m, m.DESCRIPTOR.name):
        return
    for f in m.DESCRIPTOR.fields:
        if rnd.random() < .6 or (f.message_type and depth > 2):
            continue
        if f.message_type and f.message_type.GetOptions().map_entry:
            k, v = f.message_type.fields
            for _ in range(rnd.randint(1, 4)):
                if v.message_type:
                    fill(getattr(m, f.name)[scalar(k)], depth + 1)
                else:
                    getattr(m, f.name)[scalar(k)] = scalar(v)
        elif f.label == F.LABEL_REPEATED:
            for _ in range(rnd.randint(1, 5)):
                if f.message_type:
                    fill(getattr(m, f.name).add(), depth + 1)
                else:
                    getattr(m, f.name).append(scalar(f))
        elif f.message_type:
            getattr(m, f.name).SetInParent()
            fill(getattr(m, f.name), depth + 1)
        else:
            setattr(m, f.name, scalar(f))


def parsed(data):
    m = pb.All()
    m.ParseFromString(data)
    return m


for i in range(ROUNDS):
    m = pb.All()
    fill(m, 0)
    wire = m.SerializeToString(deterministic=True)
    ours = convert('bin', wire)
    assert parsed(ours).SerializeToString(deterministic=True) == wire, f'binary differs, round {i}'
    text = convert('json', wire)
    theirs = json_format.MessageToDict(m)
    assert json.loads(text) == theirs, f'JSON differs, round {i}:\n{text}\n{theirs}'
    back = json_format.Parse(text, pb.All())
    assert back.SerializeToString(deterministic=True) == wire, f'they read our JSON otherwise, {i}'
    again = convert('parse', json_format.MessageToJson(m).encode())
    assert parsed(again).SerializeToString(deterministic=True) == wire, f'we read theirs otherwise, {i}'
print(f'{ROUNDS} random messages, binary and JSON, both ways: equal')
