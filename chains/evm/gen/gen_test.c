/* SPDX-License-Identifier: Apache-2.0 */
#include "core/enc.h"
#include "core/status.h"
#include "crypto/keccak.h"
#include "evm/gen/gen_int.h"
#include "harness/test.h"

/* Output of one ABI, whole or one file of it. */
static struct sn_arena arena;
static void arena_end(void) { sn_arena_done(&arena); }
static int generate(const char *json, unsigned langs, struct sn_abigen_result *ret)
{
    static bool once;
    if (!once) {
        sn_arena_init(&arena, NULL, 0);
        sn_test_at_exit(arena_end);
        once = true;
    }
    struct sn_abigen_source src = {SN_STR("in/Token.json"), sn_str(json)};
    struct sn_abigen_opts opts = {.langs = langs};
    return sn_abigen(&arena, &src, 1, &opts, ret);
}
static struct sn_str file(const char *json, unsigned lang, const char *path)
{
    struct sn_abigen_result r;
    T_OK(generate(json, lang, &r));
    for (size_t i = 0; i < r.n_files; i++)
        if (sn_str_eqc(r.files[i].path, path)) return r.files[i].text;
    sn_test_fail(__FILE__, __LINE__, "no file %s", path);
}
static void has(struct sn_str text, const char *what)
{
    T_ASSERTF(sn_str_find(text, sn_str(what)) >= 0, "no \"%s\" in\n%.*s", what, (int)text.len, text.ptr);
}
static void has_not(struct sn_str text, const char *what)
{
    T_ASSERTF(sn_str_find(text, sn_str(what)) < 0, "\"%s\" in\n%.*s", what, (int)text.len, text.ptr);
}

SN_TEST(abigen_cases)
{
    static const struct {
        const char *raw, *snake, *upper, *pascal;
    } rows[] = {
        {"transferFrom", "transfer_from", "TRANSFER_FROM", "TransferFrom"},
        {"ERC20Token", "erc20_token", "ERC20_TOKEN", "ERC20Token"},
        {"DOMAIN_SEPARATOR", "domain_separator", "DOMAIN_SEPARATOR", "DomainSeparator"},
        {"_owner", "owner", "OWNER", "Owner"},
        {"a1_2", "a1_2", "A1_2", "A1_2"},
        {"$", "x", "X", "X"},
        {"1st", "n1st", "N1ST", "N1st"},
        {"getURLs", "get_ur_ls", "GET_UR_LS", "GetURLs"},
    };
    struct gen_mem mem = {.arena = &arena};
    sn_arena_init(&arena, NULL, 0);
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        sn_test_row("%s", rows[i].raw);
        T_CSTR(gen_case(&mem, sn_str(rows[i].raw), GEN_SNAKE), rows[i].snake);
        T_CSTR(gen_case(&mem, sn_str(rows[i].raw), GEN_UPPER), rows[i].upper);
        T_CSTR(gen_case(&mem, sn_str(rows[i].raw), GEN_PASCAL), rows[i].pascal);
    }
    sn_arena_done(&arena);
}

#define FN(name, inputs) "{\"type\":\"function\",\"name\":\"" name "\",\"inputs\":[" inputs \
    "],\"outputs\":[],\"stateMutability\":\"view\"}"
#define P(type, name) "{\"type\":\"" type "\",\"name\":\"" name "\"}"

SN_TEST(abigen_overloads_do_not_depend_on_order)
{
    const char *one = "[" FN("get", "") "," FN("get", P("uint256", "a")) ","
                      FN("get", P("uint256", "a") "," P("bool[2][]", "b")) "]";
    const char *two = "[" FN("get", P("uint256", "a") "," P("bool[2][]", "b")) ","
                      FN("get", P("uint256", "a")) "," FN("get", "") "]";
    struct sn_abigen_result a, b;
    T_OK(generate(one, SN_ABIGEN_ALL, &a));
    T_OK(generate(two, SN_ABIGEN_ALL, &b));
    T_EQ(a.n_files, b.n_files);
    for (size_t i = 0; i < a.n_files; i++) {
        T_ASSERT(sn_str_eq(a.files[i].path, b.files[i].path));
        T_ASSERTF(sn_str_eq(a.files[i].text, b.files[i].text), "%s differs", a.files[i].path.ptr);
    }
    struct sn_str ts = file(one, SN_ABIGEN_TS, "ts/src/Token.ts");
    has(ts, "export function encodeGet(): Hex");
    has(ts, "export function encodeGet_uint256(a: bigint): Hex");
    has(ts, "export function encodeGet_uint256_boolArray2Array(a: bigint, "
            "b: readonly Fixed<boolean, 2>[]): Hex");
    has(file(one, SN_ABIGEN_RUST, "rust/src/token.rs"), "pub fn get_uint256_bool_array2_array(&self");
}
SN_TEST(abigen_shared_parameters_name_no_overload)
{
    const char *abi = "[" FN("safe", P("address", "a") "," P("uint256", "b")) ","
                      FN("safe", P("address", "a") "," P("uint256", "b") "," P("bytes", "c")) "]";
    struct sn_str py = file(abi, SN_ABIGEN_PY, "py/src/contracts/token.py");
    has(py, "def encode_safe(a: ChecksumAddress, b: int) -> bytes:");
    has(py, "def encode_safe_bytes(a: ChecksumAddress, b: int, c: bytes) -> bytes:");
}
SN_TEST(abigen_reserved_words_get_an_underscore)
{
    const char *abi = "[" FN("delete", P("bool", "await")) "," FN("match", P("bool", "self")) ","
                      FN("func", P("bool", "range")) "]";
    struct sn_str ts = file(abi, SN_ABIGEN_TS, "ts/src/Token.ts");
    has(ts, "export async function delete_(client: ReadClient, at: Address, await_: boolean");
    has(ts, "export async function match(client: ReadClient, at: Address, self: boolean");
    struct sn_str py = file(abi, SN_ABIGEN_PY, "py/src/contracts/token.py");
    has(py, "def match_(self, self_: bool, options");
    has(py, "def delete(self, await_: bool, options");
    struct sn_str rs = file(abi, SN_ABIGEN_RUST, "rust/src/token.rs");
    has(rs, "pub fn match_(&self, self_: bool)");
    has(rs, "\"match(bool)\"");
    has(file(abi, SN_ABIGEN_GO, "go/token/token.go"), "PackFunc(range_ bool) []byte");
}
SN_TEST(abigen_names_that_fall_together_get_their_selector)
{
    const char *abi = "[" FN("fooBar", "") "," FN("foo_bar", "") "]";
    struct sn_str py = file(abi, SN_ABIGEN_PY, "py/src/contracts/token.py");
    has(py, "def encode_foo_bar() -> bytes:");          /* spelled so in the contract */
    has(py, "def encode_foo_bar_90c0414d() -> bytes:"); /* fooBar() */
    struct sn_str ts = file(abi, SN_ABIGEN_TS, "ts/src/Token.ts");
    has(ts, "encodeFooBar()");
    has(ts, "encodeFoo_bar()");
}
SN_TEST(abigen_internal_types)
{
    const char *abi =
        "[{\"type\":\"function\",\"name\":\"f\",\"stateMutability\":\"view\",\"inputs\":["
        "{\"type\":\"uint8\",\"name\":\"m\",\"internalType\":\"enum Lib.Mood\"},"
        "{\"type\":\"bytes32[]\",\"name\":\"s\",\"internalType\":\"Short[]\"},"
        "{\"type\":\"address\",\"name\":\"t\",\"internalType\":\"contract IERC20\"},"
        "{\"type\":\"tuple[2]\",\"name\":\"p\",\"internalType\":\"struct Lib.Point[2]\",\"components\":["
        "{\"type\":\"int64\",\"name\":\"x\"},{\"type\":\"function\",\"name\":\"cb\"}]}],\"outputs\":[]}]";
    struct sn_str ts = file(abi, SN_ABIGEN_TS, "ts/src/Token.ts");
    has(ts, "export type Mood = number;");
    has(ts, "export type Short = Hex;");
    has(ts, "export interface Point {");
    has(ts, "m: Mood, s: readonly Short[], t: Address, p: Fixed<Point, 2>");
    has(ts, "name: \"cb\", type: 'bytes24'"); /* what viem encodes; the ABI itself keeps: */
    has(ts, "name: \"cb\", type: 'function'");
    struct sn_str rs = file(abi, SN_ABIGEN_RUST, "rust/src/token.rs");
    has(rs, "pub type Mood = u8;");
    has(rs, "p: [Point; 2] => sol_data::FixedArray<Point, 2>");
    has_not(rs, "IERC20");
}
SN_TEST(abigen_events)
{
    const char *abi =
        "[{\"type\":\"event\",\"name\":\"E\",\"anonymous\":true,\"inputs\":["
        "{\"type\":\"string\",\"name\":\"s\",\"indexed\":true},{\"type\":\"uint8\",\"name\":\"n\"}]},"
        "{\"type\":\"event\",\"name\":\"Transfer\",\"inputs\":[{\"type\":\"address\",\"name\":\"from\","
        "\"indexed\":true}]}]";
    struct sn_str ts = file(abi, SN_ABIGEN_TS, "ts/src/Token.ts");
    has(ts, "decodeTopics(log, undefined, ");
    has(ts, "readonly s: Hex;");          /* decoded: the hash */
    has(ts, "readonly s?: Match<string>;"); /* looked for: the value */
    has(ts, "export const TransferTopic = '0x");
    has_not(ts, "const ETopic ");
    has(ts, "switch (log.topics[0]) {\n    case TransferTopic");
}
SN_TEST(abigen_library_functions_with_storage_have_selectors)
{
    const char *abi =
        "{\"contractName\":\"Lib\",\"abi\":[],\"bytecode\":\"0x\",\"methodIdentifiers\":"
        "{\"put(Lib.Store storage,uint256)\":\"00000000\"}}";
    uint8_t d[32];
    char hex[9] = {0}, line[64];
    sn_keccak256("put(Lib.Store storage,uint256)", 30, d);
    sn_hex_encode(d, 4, hex);
    snprintf(line, sizeof(line), "export const putSelector = '0x%s';", hex);
    has(file(abi, SN_ABIGEN_TS, "ts/src/Lib.ts"), line);
}
SN_TEST(abigen_docs_cannot_end_their_comment)
{
    const char *abi =
        "{\"contractName\":\"T\",\"abi\":[" FN("f", P("bool", "a")) "],\"bytecode\":\"0x\",\"userdoc\":"
        "{\"methods\":{\"f(bool)\":{\"notice\":\"x */ evil() \\\"\\\"\\\" y\"}}}}";
    struct sn_str ts = file(abi, SN_ABIGEN_TS, "ts/src/T.ts");
    has(ts, "x *\\/ evil()");
    has(file(abi, SN_ABIGEN_PY, "py/src/contracts/t.py"), "evil() ''' y");
}
SN_TEST(abigen_linked_bytecode)
{
    const char *abi =
        "{\"contractName\":\"T\",\"abi\":[],\"bytecode\":\"0x6000__$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa$__00\","
        "\"linkReferences\":{\"a.sol\":{\"Shelf\":[{\"start\":2,\"length\":20}]}}}";
    has(file(abi, SN_ABIGEN_TS, "ts/src/T.ts"), "['__$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa$__', libraries.Shelf]");
    has(file(abi, SN_ABIGEN_GO, "go/t/t.go"), "libraries.Shelf");
}
SN_TEST(abigen_refuses)
{
    static const struct {
        const char *what, *json;
        int code;
    } rows[] = {
        {"no JSON", "[", SN_E_SYNTAX},
        {"no contract", "{\"a\":1}", SN_E_NOT_FOUND},
        {"unknown type", "[" FN("f", P("uint7", "a")) "]", SN_E_SYNTAX},
        {"leading zero", "[" FN("f", P("uint08", "a")) "]", SN_E_SYNTAX},
        {"bytes33", "[" FN("f", P("bytes33", "a")) "]", SN_E_SYNTAX},
        {"array of none", "[" FN("f", P("bool[0]", "a")) "]", SN_E_UNIMPLEMENTED},
        {"fixed point", "[" FN("f", P("fixed128x18", "a")) "]", SN_E_UNIMPLEMENTED},
        {"array suffix", "[" FN("f", P("bool[2", "a")) "]", SN_E_SYNTAX},
        {"unknown entry", "[{\"type\":\"modifier\"}]", SN_E_SYNTAX},
        {"no name", "[{\"type\":\"function\"}]", SN_E_SYNTAX},
        /* Two functions found by search whose selectors are both 0xa9059cbb. */
        {"selector collision", "[" FN("transfer", P("address", "a") "," P("uint256", "b")) ","
         FN("many_msg_babbage", P("bytes1", "a")) "]", SN_E_ALREADY_EXISTS},
        {"bytecode", "{\"contractName\":\"T\",\"abi\":[],\"bytecode\":\"0xzz!!\"}",
         SN_E_SYNTAX},
        {"unlinked", "{\"contractName\":\"T\",\"abi\":[],\"bytecode\":\"0x__$$__\"}",
         SN_E_SYNTAX},
        {"link outside", "{\"contractName\":\"T\",\"abi\":[],\"bytecode\":\"0x60\",\"linkReferences\":"
         "{\"a\":{\"L\":[{\"start\":9}]}}}", SN_E_SYNTAX},
    };
    struct sn_abigen_result r;
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        sn_test_row("%s", rows[i].what);
        T_EQ(generate(rows[i].json, SN_ABIGEN_ALL, &r), rows[i].code);
    }
}
SN_TEST(abigen_tuples_nest_to_a_limit)
{
    for (unsigned depth = 22; depth <= 28; depth += 6) {
        struct sn_buf b;
        sn_buf_init(&b, 0);
        sn_buf_cstr(&b, "[{\"name\":\"f\",\"inputs\":[");
        for (unsigned i = 0; i < depth; i++)
            sn_buf_cstr(&b, "{\"type\":\"tuple\",\"name\":\"t\",\"components\":[");
        sn_buf_cstr(&b, "{\"type\":\"bool\"}");
        for (unsigned i = 0; i < depth; i++) sn_buf_cstr(&b, "]}");
        sn_buf_cstr(&b, "]}]");
        struct sn_abigen_result r;
        T_EQ(generate(sn_buf_cz(&b), SN_ABIGEN_ALL, &r), depth < GEN_DEPTH_MAX ? 0 : SN_E_DEPTH);
        sn_buf_done(&b);
    }
}
