/* SPDX-License-Identifier: Apache-2.0 */
#include "core/enc.h"
#include "core/status.h"
#include "core/torture.h"
#include "evm/abi.h"
#include "harness/test.h"

SN_TEST(abi_types)
{
    static const struct {
        const char *text, *canonical;
        unsigned head;
        bool dynamic;
    } rows[] = {
        {"uint", "uint256", 32, false},
        {"int8", "int8", 32, false},
        {"byte", "bytes1", 32, false},
        {"fixed", "fixed128x18", 32, false},
        {"ufixed8x0", "ufixed8x0", 32, false},
        {"address payable", "address", 32, false},
        {"function[2]", "function[2]", 64, false},
        {"uint[2][3]", "uint256[2][3]", 192, false},
        {"uint[2][]", "uint256[2][]", 32, true},
        {"string[3]", "string[3]", 32, true},
        {"(uint a, bytes32 b)", "(uint256,bytes32)", 64, false},
        {"tuple(uint, (bool,address)[2] x)", "(uint256,(bool,address)[2])", 160, false},
        {"(uint,string)[4]", "(uint256,string)[4]", 32, true},
        {"()", "()", 0, false},
        {"uint256[0]", "uint256[0]", 0, false},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_arena a;
        const struct sn_abi_type *t;
        sn_arena_init(&a, NULL, 0);
        sn_test_row("%s", rows[i].text);
        T_OK(sn_abi_type_parse(&a, sn_str(rows[i].text), &t));
        T_STR(t->canonical, rows[i].canonical);
        T_EQ(t->head, rows[i].head);
        T_EQ(t->dynamic, rows[i].dynamic);
        sn_arena_done(&a);
    }
}
SN_TEST(abi_types_refused)
{
    static const struct {
        const char *text;
        int code;
    } rows[] = {
        {"", SN_E_SYNTAX},          {"uint7", SN_E_SYNTAX},       {"uint264", SN_E_SYNTAX},
        {"uint0", SN_E_SYNTAX},     {"uint08", SN_E_SYNTAX},      {"bytes33", SN_E_SYNTAX},
        {"bytes0", SN_E_SYNTAX},    {"uint[", SN_E_SYNTAX},       {"uint[-1]", SN_E_SYNTAX},
        {"uint[1x]", SN_E_SYNTAX},  {"(uint", SN_E_SYNTAX},       {"(uint,)", SN_E_SYNTAX},
        {"uint a", SN_E_SYNTAX},    {"fixed128x81", SN_E_SYNTAX}, {"fixed7x1", SN_E_SYNTAX},
        {"Point", SN_E_SYNTAX},     {"uint[01]", SN_E_SYNTAX},    {"string payable", SN_E_SYNTAX},
        {"uint[4294967295]", SN_E_TOO_LARGE},
        {"uint[65536][65536]", SN_E_TOO_LARGE},
        {"uint[][][][][][][][][][][][][][][][][][][][][][][][][][][][][][][][][]", SN_E_DEPTH},
        {"((((((((((((((((((((((((((((((((((uint))))))))))))))))))))))))))))))))))", SN_E_DEPTH},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_arena a;
        const struct sn_abi_type *t = NULL;
        sn_arena_init(&a, NULL, 0);
        sn_test_row("%s", rows[i].text);
        T_EQ(sn_abi_type_parse(&a, sn_str(rows[i].text), &t), rows[i].code);
        T_ASSERT(t == NULL);
        sn_arena_done(&a);
    }
}
SN_TEST(abi_items)
{
    static const struct {
        const char *text, *back, *selector;
    } rows[] = {
        {"transfer(address,uint256)", "function transfer(address, uint256)", "a9059cbb"},
        {"function balanceOf(address owner) external view returns (uint)",
         "function balanceOf(address owner) view returns (uint256)", "70a08231"},
        {"event Transfer(address indexed from, address indexed to, uint v);",
         "event Transfer(address indexed from, address indexed to, uint256 v)", "ddf252ad"},
        {"event E() anonymous", "event E() anonymous", "92bbf6e8"},
        {"error Error(string memory reason)", "error Error(string reason)", "08c379a0"},
        {"constructor(uint8[] calldata x) payable", "constructor(uint8[] x) payable", "00000000"},
        {"receive() external payable", "receive() external payable", "00000000"},
        {"fallback() external", "fallback() external", "00000000"},
        {"function f((uint256 a, bytes b)[2] p, function cb) pure",
         "function f((uint256 a, bytes b)[2] p, function cb) pure", "1289b851"},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_arena a;
        struct sn_abi_item it;
        struct sn_buf b;
        char hex[9] = {0};
        sn_arena_init(&a, NULL, 0);
        sn_buf_init(&b, 0);
        sn_test_row("%s", rows[i].text);
        T_OK(sn_abi_item_parse(&a, sn_str(rows[i].text), &it));
        T_OK(sn_abi_item_format(&b, &it));
        T_STR(sn_buf_view(&b), rows[i].back);
        sn_hex_encode(it.selector, 4, hex);
        T_CSTR(hex, rows[i].selector);
        sn_buf_done(&b);
        sn_arena_done(&a);
    }
}
SN_TEST(abi_items_refused)
{
    static const char *const rows[] = {
        "function", "function ()", "function f", "function f(uint", "f(uint) sideways",
        "event E(uint) view", "error E(uint indexed a)", "f(uint a b)", "f(uint) returns (",
        "1f()", "event E(uint) anonymous anonymous x",
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_arena a;
        struct sn_abi_item it;
        sn_arena_init(&a, NULL, 0);
        sn_test_row("%s", rows[i]);
        T_EQ(sn_abi_item_parse(&a, sn_str(rows[i]), &it), SN_E_SYNTAX);
        sn_arena_done(&a);
    }
}
SN_TEST(abi_text_with_structs)
{
    static const char text[] = "// two structs, the outer one first\n"
                               "struct Line { Point from; Point to; }\n"
                               "struct Point { uint x; uint y; } /* plain */\n"
                               "function draw(Line[] memory lines, Point[2] calldata at);\n"
                               "event Drawn(Point p)\n";
    struct sn_arena a;
    struct sn_abi abi;
    sn_arena_init(&a, NULL, 0);
    T_OK(sn_abi_text_parse(&a, sn_str(text), &abi));
    T_EQ(abi.n_items, 2);
    T_STR(abi.items[0].signature,
          "draw(((uint256,uint256),(uint256,uint256))[],(uint256,uint256)[2])");
    T_STR(abi.items[1].in.ptr[0].type->internal, "struct Point");
    T_EQ(sn_abi_text_parse(&a, SN_STR("struct A { B b; }\nstruct B { A a; }\nf(A)"), &abi),
         SN_E_SYNTAX);
    sn_arena_done(&a);
}
SN_TEST(abi_text_with_named_types)
{
    static const char text[] = "struct Offer { Price price; Mood[2] moods; }\n"
                               "type Price is uint256; enum Mood { Good, Bad }\n"
                               "function bid(Offer offer, Mood mood) returns (Price[] prices)";
    static const char *const refused[] = {
        "type A is B", "type A uint8", "type A is uint8[]", "enum E {}", "enum E { A B }", "enum E { A",
        "type A is uint8; type A is uint8", "struct A { uint x; } enum A { B }", "enum 1 { A }",
    };
    struct sn_arena a;
    struct sn_abi abi;
    sn_arena_init(&a, NULL, 0);
    T_OK(sn_abi_text_parse(&a, sn_str(text), &abi));
    T_EQ(abi.n_items, 1);
    T_STR(abi.items[0].signature, "bid((uint256,uint8[2]),uint8)");
    T_STR(abi.items[0].in.ptr[1].type->internal, "enum Mood");
    const struct sn_abi_type *offer = abi.items[0].in.ptr[0].type;
    T_STR(offer->components[0].type->internal, "Price");
    T_STR(offer->components[1].type->elem->internal, "enum Mood");
    for (size_t i = 0; i < SN_COUNT_OF(refused); i++) {
        sn_test_row("%s", refused[i]);
        T_EQ(sn_abi_text_parse(&a, sn_str(refused[i]), &abi), SN_E_SYNTAX);
    }
    sn_arena_done(&a);
}
SN_TEST(abi_overloads)
{
    static const char text[] =
        "function f(uint256 a); function f(uint256 a, bytes b); function f(address a);"
        "function g(uint256); function h((uint256,bool) x); function h((uint256,address) x)";
    static const char *const unique[] = {"f_uint256", "f_uint256_bytes", "f_address", "g",
                                         "h_tupleuint256bool", "h_tupleuint256address"};
    struct sn_arena a;
    struct sn_abi abi;
    const struct sn_abi_item *it;
    sn_arena_init(&a, NULL, 0);
    T_OK(sn_abi_text_parse(&a, sn_str(text), &abi));
    for (size_t i = 0; i < SN_COUNT_OF(unique); i++) {
        T_STR(abi.items[i].unique, unique[i]);
        T_OK(sn_abi_method(&abi, sn_str(unique[i]), &it));
        T_ASSERT(it == &abi.items[i]);
    }
    T_OK(sn_abi_method(&abi, SN_STR("f(address)"), &it));
    T_ASSERT(it == &abi.items[2]);
    T_EQ(sn_abi_method(&abi, SN_STR("f"), &it), SN_E_FAILED_PRECONDITION);
    T_EQ(sn_abi_method(&abi, SN_STR("nothing"), &it), SN_E_NOT_FOUND);
    sn_arena_done(&a);
}
static int load(struct sn_arena *a, const char *text, struct sn_abi_contracts *ret)
{
    return sn_abi_load(a, sn_str(text), SN_STR("Given"), ret);
}
SN_TEST(abi_json)
{
    static const char text[] =
        "[{\"type\":\"function\",\"name\":\"set\",\"stateMutability\":\"payable\",\"inputs\":[{\"name\":"
        "\"p\",\"type\":\"tuple[2][]\",\"internalType\":\"struct Lib.P[2][]\",\"components\":[{\"name\":"
        "\"e\",\"type\":\"uint8\",\"internalType\":\"enum Lib.E\"}]}],\"outputs\":[]},"
        "{\"type\":\"event\",\"name\":\"Hi\",\"anonymous\":true,\"inputs\":[{\"indexed\":true,"
        "\"name\":\"a\",\"type\":\"string\"}]},{\"constant\":true,\"name\":\"old\",\"inputs\":[]}]";
    struct sn_arena a;
    struct sn_abi_contracts c, back;
    struct sn_buf b;
    sn_arena_init(&a, NULL, 0);
    sn_buf_init(&b, 0);
    T_OK(load(&a, text, &c));
    T_EQ(c.len, 1);
    T_STR(c.ptr[0].name, "Given");
    const struct sn_abi *abi = &c.ptr[0].abi;
    T_EQ(abi->n_items, 3);
    T_STR(abi->items[0].signature, "set((uint8)[2][])");
    T_EQ(abi->items[0].mutability, SN_ABI_PAYABLE);
    T_STR(abi->items[0].in.ptr[0].type->elem->elem->internal, "struct Lib.P");
    T_ASSERT(abi->items[1].anonymous && abi->items[1].in.ptr[0].indexed);
    T_EQ(abi->items[2].mutability, SN_ABI_VIEW);
    /* What is written reads back as the same. */
    T_OK(sn_abi_json_write(&b, abi));
    T_OK(sn_abi_load(&a, sn_buf_view(&b), SN_STR(""), &back));
    T_EQ(back.ptr[0].abi.n_items, 3);
    for (size_t i = 0; i < 3; i++) {
        T_ASSERT(sn_str_eq(back.ptr[0].abi.items[i].signature, abi->items[i].signature));
        T_EQ(back.ptr[0].abi.items[i].mutability, abi->items[i].mutability);
    }
    sn_buf_done(&b);
    sn_arena_done(&a);
}
SN_TEST(abi_artifacts)
{
    static const char abi[] = "[{\"type\":\"function\",\"name\":\"f\",\"inputs\":[]}]";
    static const char *const forms[] = {
        "{\"_format\":\"hh-sol-artifact-1\",\"contractName\":\"T\",\"sourceName\":\"a.sol\",\"abi\":%s}",
        "{\"contracts\":{\"a.sol\":{\"T\":{\"abi\":%s,\"evm\":{\"methodIdentifiers\":{\"f()\":"
        "\"26121ff0\",\"g(L.S storage)\":\"01020304\"}}}}}}",
        "{\"output\":{\"contracts\":{\"a.sol\":{\"T\":{\"abi\":%s}}}}}",
    };
    for (size_t i = 0; i < SN_COUNT_OF(forms); i++) {
        struct sn_arena a;
        struct sn_abi_contracts c;
        char text[400];
        const char *at = strchr(forms[i], '%');
        snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - forms[i]), forms[i], abi, at + 2);
        sn_arena_init(&a, NULL, 0);
        sn_test_row("form %zu", i);
        T_OK(load(&a, text, &c));
        T_EQ(c.len, 1);
        T_STR(c.ptr[0].name, "T");
        T_STR(c.ptr[0].source, "a.sol");
        T_EQ(c.ptr[0].abi.n_items, i == 1 ? 2 : 1);
        if (i == 1) T_ASSERT(c.ptr[0].abi.items[1].library);
        sn_arena_done(&a);
    }
}
SN_TEST(abi_artifact_docs_and_code)
{
    static const char text[] =
        "{\"contractName\":\"T\",\"abi\":[{\"type\":\"function\",\"name\":\"f\",\"inputs\":[{\"name\":\"x\","
        "\"type\":\"bool\"}],\"outputs\":[{\"name\":\"\",\"type\":\"bool\"}]},{\"type\":\"error\",\"name\":\"E\","
        "\"inputs\":[]}],\"bytecode\":\"0x6000__$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa$__00\",\"linkReferences\":"
        "{\"a.sol\":{\"L\":[{\"start\":2,\"length\":20}]}},\"userdoc\":{\"notice\":\"N\",\"methods\":{\"f(bool)\":"
        "{\"notice\":\"does f\"}},\"errors\":{\"E()\":[{\"notice\":\"bad\"},{\"notice\":\"other\"}]}},\"devdoc\":"
        "{\"title\":\"Ti\",\"details\":\"D\",\"methods\":{\"f(bool)\":{\"details\":\"more\",\"params\":{\"x\":"
        "\"an x\"},\"returns\":{\"_0\":\"a y\"}}}}}";
    struct sn_arena a;
    struct sn_abi_contracts c;
    sn_arena_init(&a, NULL, 0);
    T_OK(load(&a, text, &c));
    const struct sn_abi_contract *t = &c.ptr[0];
    T_STR(t->doc, "Ti\nN\nD");
    T_STR(t->abi.items[0].doc, "does f\nmore");
    T_STR(t->abi.items[0].in.ptr[0].doc, "an x");
    T_STR(t->abi.items[0].out.ptr[0].doc, "a y");
    T_STR(t->abi.items[1].doc, "bad");
    T_EQ(t->code.len, 46);
    T_EQ(t->n_libraries, 1);
    T_STR(t->libraries[0].name, "L");
    T_STR(t->libraries[0].placeholder, "__$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa$__");
    sn_arena_done(&a);
}
/* A library's function over an enum: the ABI shows uint8, the chain has another selector. */
SN_TEST(abi_compiler_selectors_decide)
{
    static const char text[] =
        "{\"contractName\":\"L\",\"abi\":[{\"type\":\"function\",\"name\":\"f\",\"inputs\":[{\"type\":\"uint8\"}]},"
        "{\"type\":\"function\",\"name\":\"g\",\"inputs\":[]}],\"methodIdentifiers\":{\"f(L.E)\":\"\",\"g()\":"
        "\"e2179b8e\"}}";
    struct sn_arena a;
    struct sn_abi_contracts c;
    const struct sn_abi_item *it;
    sn_arena_init(&a, NULL, 0);
    T_OK(load(&a, text, &c));
    T_EQ(c.ptr[0].abi.n_items, 2);
    T_OK(sn_abi_method(&c.ptr[0].abi, SN_STR("f"), &it));
    T_ASSERT(it->library);
    T_STR(it->signature, "f(L.E)");
    T_OK(sn_abi_method(&c.ptr[0].abi, SN_STR("0xe2179b8e"), &it));
    T_STR(it->name, "g");
    sn_arena_done(&a);
}
static int load_kitchen(void *arg)
{
    struct sn_arena a;
    struct sn_abi_contracts c;
    sn_arena_init(&a, NULL, 0);
    int r = load(&a, arg, &c);
    sn_arena_done(&a);
    return r;
}
SN_TEST(abi_without_memory)
{
    static const char json[] =
        "{\"contractName\":\"T\",\"abi\":[{\"type\":\"function\",\"name\":\"f\",\"inputs\":[{\"name\":\"x\","
        "\"type\":\"tuple[2]\",\"components\":[{\"name\":\"a\",\"type\":\"bool\"}]}]},{\"type\":\"function\","
        "\"name\":\"f\",\"inputs\":[]}],\"bytecode\":\"0x60\",\"userdoc\":{\"methods\":{\"f()\":{\"notice\":\"n\"}}}}";
    static const char text[] = "struct A { P p; }\ntype P is uint8\nfunction f(A a)";
    int n = sn_torture(load_kitchen, (void *)json);
    T_ASSERTF(n > 3, "%s", sn_diag_str(n));
    n = sn_torture(load_kitchen, (void *)text);
    T_ASSERTF(n > 3, "%s", sn_diag_str(n));
}
SN_TEST(abi_json_refused)
{
    static const struct {
        const char *text;
        int code;
    } rows[] = {
        {"{}", SN_E_NOT_FOUND},
        {"{\"abi\":5}", SN_E_NOT_FOUND},
        {"{\"abi\":[],\"bytecode\":\"0xzz!\"}", SN_E_SYNTAX},
        {"{\"abi\":[],\"bytecode\":\"0x123\"}", SN_E_SYNTAX},
        {"{\"abi\":[],\"bytecode\":\"__$$__\"}", SN_E_SYNTAX}, /* and nothing says what for */
        {"{\"abi\":[],\"bytecode\":\"60\",\"linkReferences\":{\"a\":{\"L\":[{\"start\":9}]}}}", SN_E_SYNTAX},
        {"{\"abi\":[],\"methodIdentifiers\":{\"no signature\":\"\"}}", SN_E_SYNTAX},
        {"[1]", SN_E_SYNTAX},
        {"[{\"type\":\"procedure\"}]", SN_E_SYNTAX},
        {"[{\"type\":\"function\"}]", SN_E_SYNTAX},
        {"[{\"name\":\"a b\"}]", SN_E_SYNTAX},
        {"[{\"name\":\"f\",\"inputs\":[{\"type\":\"tuple\"}]}]", SN_E_SYNTAX},
        {"[{\"name\":\"f\",\"inputs\":[{\"type\":\"uint9\"}]}]", SN_E_SYNTAX},
        {"[{\"name\":\"f\",\"inputs\":[{}]}]", SN_E_SYNTAX},
        {"[{\"name\":\"f\",\"stateMutability\":\"maybe\"}]", SN_E_SYNTAX},
        /* Two names whose hashes begin with the same four bytes. */
        {"[{\"name\":\"BlazingIt4490597615\"},{\"name\":\"wycpnbqcyf\"}]", SN_E_ALREADY_EXISTS},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_arena a;
        struct sn_abi_contracts c;
        sn_arena_init(&a, NULL, 0);
        sn_test_row("%s", rows[i].text);
        T_EQ(load(&a, rows[i].text, &c), rows[i].code);
        sn_arena_done(&a);
    }
}
