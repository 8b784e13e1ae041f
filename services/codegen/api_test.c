/* SPDX-License-Identifier: Apache-2.0 */
#include "codegen/api.h"

#include "codegen/codegen.h"
#include "core/status.h"
#include "core/torture.h"
#include "harness/test.h"
#include "wire/json.h"

/* Every construct of the language once. */
static const char full[] =
    "// A comment.\nsyntax = \"v1\"\n\ninfo (\n\ttitle: \"Shop\" // behind\n\tversion: 1.2\n)\n"
    "import \"base.api\"\nimport (\n\t\"more.api\"\n)\n"
    "type Alias = int32\n"
    "type (\n\t// An item.\n\tItem {\n\t\tSku string `json:\"sku\"`\n"
    "\t\tN, M Alias `json:\"n,range=(0:10],default=3\"`\n\t}\n"
    "\tNode {\n\t\tKids []*Node `json:\"kids,optional\"`\n\t\tBy map[string]*Node "
    "`json:\"by\"`\n\t}\n)\n"
    "type Req {\n\tBase\n\t*More\n\tId int64 `path:\"id\"`\n"
    "\tKind string `form:\"kind,options=a|b,default=a\"`\n\tTok string "
    "`header:\"X-Tok,optional\"`\n"
    "\tRaw []byte `json:\"raw\"`\n\tAny interface{} `json:\"any\"`\n\tGrid [2][]float32 "
    "`json:\"grid\"`\n"
    "\tIn {\n\t\tCity string `json:\"city\"`\n\t} `json:\"in\"`\n\tSkip int `json:\"-\"`\n}\n"
    "@server (\n\tprefix: /v1\n\tgroup: a/b\n\tjwt: Auth\n\tmiddleware: One, Two\n\ttimeout: "
    "1m30s\n"
    "\tmaxBytes: 2048\n\tsummary: \"x\"\n)\n"
    "service shop-api {\n\t@doc \"Says it.\"\n\t@handler getItHandler\n\tget /it/:id (Req) returns "
    "(Item)\n"
    "\t@doc (\n\t\tsummary: \"Two\"\n\t)\n\t@handler two\n\tpost /it/:id/two () returns "
    "([]*Item);\n"
    "\t@handler three\n\tdelete /\n}\n"
    "service shop-api {\n\t@handler four\n\tget /four returns (map[string]int)\n}\n";

static int read_part(void *arg, struct sn_str path, struct sn_str *ret)
{
    if (sn_str_eqc(path, "dir/base.api")) {
        *ret = SN_STR("syntax = \"v1\"\ntype Base { Page int `form:\"page,default=1\"` }\n");
        return 0;
    }
    if (sn_str_eqc(path, "dir/more.api")) {
        *ret =
            SN_STR("import \"./base.api\"\ntype More { Extra bool `json:\"extra,optional\"` }\n");
        return 0;
    }
    if (sn_str_eqc(path, "dir/self.api")) {
        *ret = SN_STR("import \"main.api\"\n");
        return 0;
    }
    return sn_fail(SN_E_NOT_FOUND, "%.*s: no such file", SN_STR_ARG(path));
}
static int parse(struct sn_arena *a, struct sn_str text, struct sn_api **ret)
{
    *ret = SN_ARENA_NEW(a, struct sn_api);
    return *ret ? sn_api_parse(a, SN_STR("dir/main.api"), text, read_part, NULL, *ret) : SN_E_NOMEM;
}
static const struct sn_api_type *type_of(const struct sn_api *api, const char *name)
{
    for (const struct sn_api_decl *d = api->decls; d; d = d->next)
        if (sn_str_eqc(d->name, name)) return d->type;
    sn_test_fail(__FILE__, __LINE__, "no type %s", name);
}
static const struct sn_api_field *field_of(const struct sn_api_type *t, const char *name)
{
    for (const struct sn_api_field *f = t->fields; f; f = f->next)
        if (sn_str_eqc(f->name, name)) return f;
    sn_test_fail(__FILE__, __LINE__, "no field %s", name);
}

SN_TEST(api_reads_every_construct)
{
    struct sn_arena a;
    struct sn_api *api;
    sn_arena_init(&a, NULL, 0);
    int r = parse(&a, sn_str(full), &api);
    T_ASSERTF(r == 0, "%s", sn_diag_str(r));
    T_EQ(api->n_errors, 1); /* N and M share a name: a warning */
    T_ASSERT(api->errors[0].warning);
    T_STR(api->name, "shop-api");
    T_CSTR(api->c_name, "shop_api");
    T_STR(api->info->value, "Shop");
    T_STR(api->info->next->value, "1.2");
    const struct sn_api_type *req = type_of(api, "Req");
    T_CSTR(req->c_name, "shop_api_req");
    T_STR(req->fields->name, "Page"); /* of Base, laid out flat */
    T_STR(req->fields->next->name, "Extra");
    const struct sn_api_field *f = field_of(req, "Kind");
    T_EQ(f->where, SN_API_FORM);
    T_EQ(f->n_options, 2);
    T_STR(f->def, "a");
    T_EQ(field_of(req, "Raw")->type->kind, SN_API_BYTES);
    T_EQ(field_of(req, "Any")->type->kind, SN_API_ANY);
    T_EQ(field_of(req, "Grid")->type->count, 2);
    T_CSTR(field_of(req, "In")->type->c_name, "shop_api_req_in");
    T_EQ(field_of(req, "Skip")->where, SN_API_NOWHERE);
    f = field_of(type_of(api, "Item"), "M");
    T_EQ(f->type->kind, SN_API_INT);
    T_EQ(f->type->bits, 32);
    T_ASSERT(f->min_open && !f->max_open);
    const struct sn_api_route *x = api->routes;
    T_STR(x->path, "/v1/it/:id");
    T_CSTR(x->c_name, "shop_api_a_b_get_it");
    T_STR(x->summary, "Says it.");
    T_EQ(x->timeout_ns, 90 * SN_SEC);
    T_EQ(x->bytes_max, 2048);
    T_STR(x->jwt, "Auth");
    x = x->next;
    T_STR(x->summary, "Two");
    T_ASSERT(!x->req && x->resp->kind == SN_API_LIST);
    T_STR(x->next->path, "/v1");
    T_STR(x->next->next->path, "/four");
    sn_arena_done(&a);
}

#define S "syntax = \"v1\"\n"
SN_TEST(api_errors_name_the_place)
{
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"syntax = \"v2\"", "1:10: expected \"v1\", got \"v2\""},
        {S S, "2:1: syntax is given twice"},
        {"type A {}\n" S, "2:1: syntax must be the first statement"},
        {S "info()\ninfo()", "3:1: info is given twice"},
        {S "info(a: 1\n a: 2)", "3:2: a is given twice in info"},
        {S "type A { B C }", "2:12: there is no type \"C\""},
        {S "type A {}\ntype A {}", "3:6: type A is declared twice: first at dir/main.api:2:6"},
        {S "type A { A A }", "2:12: type A holds itself"},
        {S "type A { B B }\ntype B { A map[string]A }", "3:23: type A holds itself"},
        {S "type A { *A }", "2:11: type A holds itself"},
        {S "type int {}", "2:6: \"int\" is a built-in type's name"},
        {S "type A { B []{} }", "2:14: elements of a list need a named type"},
        {S "type A { B map[{}]int }", "2:16: expected string or an integer type as a map's key"},
        {S "type A { B int `json:\"b,range=[5:1]\"` }", "2:10: expected a range such as [1:10)"},
        {S "type A { B string `json:\"b,range=[1:2]\"` }", "2:10: range= is for numbers"},
        {S "type A { B int8 `json:\"b,default=200\"` }",
         "2:10: the default \"200\" is no value of B"},
        {S "type A { B int `json:\"b,options=1|x\"` }", "2:10: the option \"x\" is no value of B"},
        {S "type A { B []int `path:\"b\"` }", "2:10: B is in the path"},
        {S "type A { B int `json:b` }", "2:10: expected a tag such as json:\"name\""},
        {S "type A { B int\nB int }", "3:1: two fields are named B"},
        {S "type A { B int", "2:15: expected a field or \"}\", got the end of the file"},
        {S "/* open", "2:1: this comment has no end"},
        {S "type A { B string `json", "2:19: this text has no end"},
        {S "service a { @handler x\n get x }", "3:6: expected a path that begins with \"/\""},
        {S "service a { @handler x\n get /a b }", "3:9: expected @handler, @doc or \"}\""},
        {S "service a { @handler x\n fetch /a }", "3:2: expected a method"},
        {S "service a { @handler x\n get /a/:id\n@handler y\n get /a/:b }",
         "5:6: GET /a/:b is there twice"},
        {S "service a { @handler x\n get /a\n@handler x\n get /b }",
         "4:10: handler x is there twice"},
        {S "service a { @handler x\n get /a }\nservice b {}", "4:9: one service to a description"},
        {S "service a { @handler x\n post /a ([]int) }",
         "3:11: expected a struct as the request of x"},
        {S "@server(timeout: soon)\nservice a { @handler x\n get /a }",
         "2:9: expected a duration such as 3s"},
        {S "@server(jwt: a-b)\nservice a { @handler x\n get /a }", "2:9: expected a name as jwt"},
        {S "@server(jwt: a)\ntype A {}", "3:1: expected service after @server(...)"},
        {S "import \"nowhere.api\"", "2:8: cannot import: dir/nowhere.api: no such file"},
        {S "import \"self.api\"", "1:8: \"dir/main.api\" imports this file"},
        {S "import \"\"", "2:8: this import names no file"},
        {S "type A { \x01 }", "2:10: unexpected byte 0x01"},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_arena a;
        struct sn_api *api;
        struct sn_buf b;
        char want[300];
        sn_test_row("%s", rows[i].text);
        sn_arena_init(&a, NULL, 0);
        sn_buf_init(&b, 0);
        int r = parse(&a, sn_str(rows[i].text), &api);
        T_ASSERT(r < 0);
        snprintf(want, sizeof want, "%s", rows[i].says);
        T_ASSERTF(strstr(sn_diag_str(r), want), "\"%s\" is not in \"%s\"", want, sn_diag_str(r));
        T_ASSERT(api->n_errors > 0);
        T_OK(sn_api_report(api, &b));
        T_ASSERT(sn_str_chr(sn_buf_view(&b), '^') > 0);
        sn_buf_done(&b);
        sn_arena_done(&a);
    }
}
SN_TEST(api_report_marks_the_place)
{
    struct sn_arena a;
    struct sn_api *api;
    struct sn_buf b;
    sn_arena_init(&a, NULL, 0);
    sn_buf_init(&b, 0);
    T_ASSERT(parse(&a, SN_STR(S "type A {\n\tB Wrong\n\tC Bad\n}\ntype D { E Worse }\n"), &api) <
             0);
    T_OK(sn_api_report(api, &b));
    T_STR(sn_buf_view(&b),
          "dir/main.api:3:4: there is no type \"Wrong\"\n    \tB Wrong\n    \t  ^\n"
          "dir/main.api:6:12: there is no type \"Worse\"\n    type D { E Worse }\n"
          "               ^\n");
    sn_buf_done(&b);
    sn_arena_done(&a);
}

SN_TEST(api_limits)
{
    struct sn_arena a;
    struct sn_api *api;
    struct sn_buf b;
    sn_arena_init(&a, NULL, 0);
    sn_buf_init(&b, 0);
    sn_buf_cstr(&b, "type A { B ");
    for (int i = 0; i < 5000; i++) sn_buf_cstr(&b, "[]");
    sn_buf_cstr(&b, "int }");
    int r = parse(&a, sn_buf_view(&b), &api);
    T_ASSERTF(r < 0 && strstr(sn_diag_str(r), "types nest deeper than 32"), "%s", sn_diag_str(r));
    sn_buf_reset(&b);
    sn_buf_cstr(&b, "type A {\n");
    for (int i = 0; i < 501; i++) sn_buf_printf(&b, "F%d int\n", i);
    sn_buf_cstr(&b, "}");
    r = parse(&a, sn_buf_view(&b), &api);
    T_ASSERTF(r < 0 && strstr(sn_diag_str(r), "more than 500 fields"), "%s", sn_diag_str(r));
    sn_buf_done(&b);
    sn_arena_done(&a);
}
SN_TEST(api_survives_prefixes_and_damage)
{
    char text[sizeof full];
    for (size_t n = 0; n < sizeof full - 1; n++) {
        struct sn_arena a;
        struct sn_api *api;
        sn_arena_init(&a, NULL, 0);
        int r = parse(&a, sn_str_of(full, n), &api);
        T_ASSERT(r <= 0);
        sn_arena_done(&a);
    }
    for (unsigned i = 0; i < sn_test_cases(3000); i++) {
        struct sn_arena a;
        struct sn_api *api;
        struct sn_gen_files files;
        memcpy(text, full, sizeof text);
        for (unsigned k = 0; k < 1 + i % 4; k++)
            text[sn_test_rand_below(sizeof text - 1)] = (char)sn_test_rand_below(128);
        sn_arena_init(&a, NULL, 0);
        if (parse(&a, sn_str_of(text, sizeof text - 1), &api) == 0) {
            struct sn_gen_opts o = {.source = SN_STR("dir/main.api")};
            int r = sn_gen_api(api, &o, &files);
            T_ASSERT(r == 0 || r == SN_E_INVALID_ARGUMENT);
        }
        sn_arena_done(&a);
    }
}

/* ---- the project ---- */

static const struct sn_gen_file *file_of(const struct sn_gen_files *f, const char *path)
{
    for (size_t i = 0; i < f->n; i++)
        if (sn_str_eqc(f->list[i].path, path)) return &f->list[i];
    sn_test_fail(__FILE__, __LINE__, "no file %s", path);
}
SN_TEST(gen_api_is_deterministic_and_says_whose_files_are)
{
    struct sn_arena a[2];
    struct sn_gen_files f[2];
    struct sn_gen_opts o = {.source = SN_STR("dir/main.api"), .style = SN_GEN_CAMEL};
    const struct sn_json *doc;
    for (int i = 0; i < 2; i++) {
        struct sn_api *api;
        sn_arena_init(&a[i], NULL, 0);
        T_OK(parse(&a[i], sn_str(full), &api));
        T_OK(sn_gen_api(api, &o, &f[i]));
    }
    T_EQ(f[0].n, f[1].n);
    for (size_t i = 0; i < f[0].n; i++) {
        const struct sn_gen_file *x = &f[0].list[i];
        T_ASSERT(sn_str_eq(x->path, f[1].list[i].path) && sn_str_eq(x->text, f[1].list[i].text));
        bool ours = sn_str_starts(x->path, SN_STR("gen/"));
        T_EQ(x->owner, ours ? SN_GEN_OURS : SN_GEN_YOURS);
        if (ours) T_ASSERT(sn_str_find(sn_str_sub(x->text, 0, 200), SN_STR("Generated by")) >= 0);
        T_ASSERT(sn_str_find(x->text, SN_STR("{{")) < 0);
    }
    file_of(&f[0], "handlers/a/b/getIt.c");
    file_of(&f[0], "middleware/one.c");
    file_of(&f[0], "shop_api.h");
    T_OK(sn_json_parse(&a[0], file_of(&f[0], "gen/shop_api.openapi.json")->text, NULL, &doc));
    T_STR(sn_json_str(sn_json_pointer(doc, SN_STR("/paths/~1v1~1it~1{id}/get/parameters/1/name"))),
          "id");
    T_STR(sn_json_str(
              sn_json_pointer(doc, SN_STR("/components/schemas/shop_api_req_in/required/0"))),
          "city");
    for (int i = 0; i < 2; i++) sn_arena_done(&a[i]);
}
SN_TEST(gen_api_needs_a_service)
{
    struct sn_arena a;
    struct sn_api *api;
    struct sn_gen_files f;
    sn_arena_init(&a, NULL, 0);
    T_OK(parse(&a, SN_STR(S "type A {}"), &api));
    T_EQ(sn_gen_api(api, &(struct sn_gen_opts){0}, &f), SN_E_INVALID_ARGUMENT);
    sn_arena_done(&a);
}
SN_TEST(gen_style_names)
{
    T_EQ(sn_gen_style_of(SN_STR("gozero")), SN_GEN_LOWER);
    T_EQ(sn_gen_style_of(SN_STR("goZero")), SN_GEN_CAMEL);
    T_EQ(sn_gen_style_of(SN_STR("")), SN_GEN_SNAKE);
    T_EQ(sn_gen_style_of(SN_STR("GOZERO")), SN_E_INVALID_ARGUMENT);
}

static int torture_body(void *arg)
{
    struct sn_arena a;
    struct sn_api *api;
    struct sn_gen_files f;
    sn_arena_init(&a, NULL, 0);
    int r = parse(&a, sn_str(full), &api);
    if (r == 0) r = sn_gen_api(api, &(struct sn_gen_opts){.source = SN_STR("dir/main.api")}, &f);
    sn_arena_done(&a);
    return r;
}
SN_TEST_SLOW(gen_api_torture, 60)
{
    int r = sn_torture(torture_body, NULL);
    T_ASSERTF(r >= 0, "%s", sn_diag_str(r));
}
