// SPDX-License-Identifier: Apache-2.0
// Inputs of the circuits prove.sh proves: hashed, signed and looked up by circomlibjs.
const { buildEddsa, newMemEmptyTrie } = require("circomlibjs"), fs = require("fs");
const write = (name, o) =>
  fs.writeFileSync(name + ".json", JSON.stringify(o, (k, v) => (typeof v === "bigint" ? v.toString() : v)));
(async () => {
  write("poseidon", { inputs: ["7", "11"] });
  const eddsa = await buildEddsa(), F = eddsa.babyJub.F;
  const key = Buffer.from("0001020304050607080900010203040506070809000102030405060708090001", "hex");
  const M = F.e(1234n), A = eddsa.prv2pub(key), sig = eddsa.signPoseidon(key, M);
  write("eddsaposeidon", { enabled: "1", Ax: F.toObject(A[0]), Ay: F.toObject(A[1]),
    R8x: F.toObject(sig.R8[0]), R8y: F.toObject(sig.R8[1]), S: sig.S, M: F.toObject(M) });
  const tree = await newMemEmptyTrie(), T = tree.F;
  for (let i = 1; i <= 64; i++) await tree.insert(T.e(i * 7919), T.e(i * 31));
  const at = T.e(5 * 7919), found = await tree.find(at), siblings = found.siblings.map(x => T.toObject(x));
  while (siblings.length < 32) siblings.push(0n);
  write("smtverifier", { enabled: "1", fnc: "0", root: T.toObject(tree.root), siblings, oldKey: "0", oldValue: "0",
    isOld0: "0", key: T.toObject(at), value: T.toObject(found.foundValue) });
  write("sha256", { in: Array.from({ length: 512 }, (_, i) => String((i * i + 3 * i + (i >> 3)) % 2)) });
})();
