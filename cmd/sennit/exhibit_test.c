/* SPDX-License-Identifier: Apache-2.0 */
#include "sennit/exhibit.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/torture.h"
#include "harness/test.h"

SN_TEST(exhibit_card_rows)
{
    static const struct {
        const char *line, *want; /* want: the card, or part of the diagnostic */
        int code;
    } rows[] = {
        {"{}", "{\"state\":\"ok\",\"facts\":[]}", 0},
        {"{\"text\":\"a\\u00e9\",\"state\":\"error\"}",
         "{\"state\":\"error\",\"text\":\"a\u00e9\",\"facts\":[]}", 0},
        {"{\"facts\":[{\"label\":\"L\",\"value\":\"1\",\"unit\":\"s\",\"note\":\"n\",\"state\":"
         "\"warn\"},{\"label\":\"M\",\"value\":\"\"}],\"link\":{\"text\":\"t\",\"href\":\"#x\"}}",
         "{\"state\":\"ok\",\"facts\":[{\"label\":\"L\",\"value\":\"1\",\"unit\":\"s\",\"note\":"
         "\"n\",\"state\":\"warn\"},{\"label\":\"M\",\"value\":\"\"}],\"link\":{\"text\":\"t\","
         "\"href\":\"#x\"}}", 0},
        {"text: yaml", "1:2: expected true", SN_E_SYNTAX},
        {"[]", "expected", SN_E_INVALID_ARGUMENT},
        {"{\"stat\":\"ok\"}", "did you mean \"state\"", SN_E_INVALID_ARGUMENT},
        {"{\"state\":\"fine\"}", "state: ", SN_E_INVALID_ARGUMENT},
        {"{\"facts\":[{\"value\":\"1\"}]}", "label", SN_E_INVALID_ARGUMENT},
        {"{\"facts\":[{\"label\":\"L\"}]}", "value", SN_E_INVALID_ARGUMENT},
        {"{\"link\":{\"text\":\"t\",\"href\":\"javascript:alert(1)\"}}", "link.href",
         SN_E_INVALID_ARGUMENT},
        {"{\"link\":{\"text\":\"t\",\"href\":\"data:text/html,x\"}}", "link.href",
         SN_E_INVALID_ARGUMENT},
        {"{\"text\":\"\xff\"}", "UTF-8", SN_E_SYNTAX},
    };
    for (size_t i = 0; i < SN_COUNT_OF(rows); i++) {
        struct sn_buf out;
        sn_buf_init(&out, 0);
        sn_test_row("%s", rows[i].line);
        T_EQ(sn_exhibit_card("x", sn_str(rows[i].line), &out), rows[i].code);
        if (rows[i].code == 0)
            T_CSTR(sn_buf_cz(&out), rows[i].want);
        else
            T_ASSERTF(strstr(sn_diag_str(rows[i].code), rows[i].want), "%s",
                      sn_diag_str(rows[i].code));
        sn_buf_done(&out);
    }
}

SN_TEST(exhibit_card_bounds)
{
    struct sn_buf line, out;
    sn_buf_init(&line, 0);
    sn_buf_init(&out, 0);
    sn_buf_cstr(&line, "{\"facts\":[");
    for (int i = 0; i <= SN_EXHIBIT_FACTS_MAX; i++)
        sn_buf_printf(&line, "%s{\"label\":\"L\",\"value\":\"1\"}", i ? "," : "");
    sn_buf_cstr(&line, "]}");
    T_EQ(sn_exhibit_card("x", sn_buf_view(&line), &out), SN_E_INVALID_ARGUMENT);
    T_EQ(out.len, 0u);
    sn_buf_done(&line);
    sn_buf_done(&out);
}

static int one_card(void *arg)
{
    struct sn_buf out;
    sn_buf_init(&out, 0);
    int r = sn_exhibit_card("x", SN_STR("{\"facts\":[{\"label\":\"L\",\"value\":\"1\"}]}"), &out);
    sn_buf_done(&out);
    return r;
}
SN_TEST(exhibit_card_torture)
{
    int r = sn_torture(one_card, NULL);
    T_ASSERTF(r > 0, "%s", sn_diag_str(r));
}

SN_TEST(exhibit_find)
{
    const char *dir = sn_test_tmpdir();
    char path[512], file[512], out[512];
    snprintf(file, sizeof(file), "%s/tool", dir);
    snprintf(path, sizeof(path), "/nowhere:%s", dir);
    T_EQ(sn_exhibit_find(path, SN_STR("tool"), out, sizeof(out)), SN_E_NOT_FOUND);
    FILE *f = fopen(file, "w");
    T_ASSERT(f);
    fclose(f);
    T_EQ(sn_exhibit_find(path, SN_STR("tool"), out, sizeof(out)), SN_E_NOT_FOUND); /* no program */
    T_OK(chmod(file, 0755));
    T_OK(sn_exhibit_find(path, SN_STR("tool"), out, sizeof(out)));
    T_CSTR(out, file);
    T_OK(sn_exhibit_find("/nowhere", sn_str(file), out, sizeof(out)));
    T_CSTR(out, file);
    T_EQ(sn_exhibit_find(path, SN_STR("tool"), out, 4), SN_E_TOO_LARGE);
    T_EQ(sn_exhibit_find(dir, SN_STR("."), out, sizeof(out)), SN_E_NOT_FOUND); /* a folder */
}
