/* SPDX-License-Identifier: Apache-2.0 */
/* What an exhibit prints, read as strictly as a configuration: a misspelt member is an error with
 * its place, not a card that lacks something. */
#include "kit/config.h"
#include "sennit/exhibit.h"

enum mood { MOOD_NONE, MOOD_OK, MOOD_WARN, MOOD_ERROR };
static const struct sn_conf_enum moods[] = {
    {"ok", MOOD_OK}, {"warn", MOOD_WARN}, {"error", MOOD_ERROR}, {0}};

struct fact {
    struct sn_str label, value, unit, note;
    uint8_t state;
};
struct link {
    struct sn_str text, href;
};
struct card {
    struct sn_str text;
    uint8_t state;
    struct fact *facts;
    size_t n_facts;
    struct link link;
    bool has_link;
};
static const struct sn_conf_field fact_fields[] = {
    SN_CONF_STRING(struct fact, label, "label", .required = true, .min = 1, .max = 60),
    SN_CONF_STRING(struct fact, value, "value", .required = true, .max = 120),
    SN_CONF_STRING(struct fact, unit, "unit", .max = 20),
    SN_CONF_STRING(struct fact, note, "note", .max = 200),
    SN_CONF_ENUM(struct fact, state, "state", moods),
};
static const struct sn_conf_table fact_table = SN_CONF_TABLE(struct fact, fact_fields);
static const struct sn_conf_field link_fields[] = {
    SN_CONF_STRING(struct link, text, "text", .required = true, .min = 1, .max = 60),
    /* The page makes a link of it: nothing that runs as a script. */
    SN_CONF_STRING(struct link, href, "href", .required = true, .max = 500,
                   .pattern = "(https?://|/|#).*", .pattern_help = "http://, https://, / or #"),
};
static const struct sn_conf_table link_table = SN_CONF_TABLE(struct link, link_fields);
static const struct sn_conf_field card_fields[] = {
    SN_CONF_STRING(struct card, text, "text", .max = 400),
    SN_CONF_ENUM(struct card, state, "state", moods, .def = "ok"),
    SN_CONF_LIST(struct card, facts, n_facts, "facts", SN_CONF_T_STRUCT, .sub = &fact_table,
                 .max = SN_EXHIBIT_FACTS_MAX),
    SN_CONF_STRUCT(struct card, link, "link", &link_table, SN_CONF_GIVEN(struct card, has_link)),
};
static const struct sn_conf_table card_table = SN_CONF_TABLE(struct card, card_fields);

static void put(struct sn_jsonw *w, const char *key, struct sn_str s)
{
    if (s.len) sn_jsonw_kstr(w, key, s);
}
static void put_mood(struct sn_jsonw *w, unsigned mood)
{
    for (const struct sn_conf_enum *m = moods; m->name; m++)
        if (m->value == mood) sn_jsonw_kstr(w, "state", sn_str(m->name));
}
static void write_card(const struct card *c, struct sn_buf *out)
{
    struct sn_jsonw w;
    sn_jsonw_init(&w, out, NULL);
    sn_jsonw_object(&w);
    put_mood(&w, c->state);
    put(&w, "text", c->text);
    sn_jsonw_key(&w, SN_STR("facts"));
    sn_jsonw_array(&w);
    for (size_t i = 0; i < c->n_facts; i++) {
        const struct fact *f = &c->facts[i];
        sn_jsonw_object(&w);
        sn_jsonw_kstr(&w, "label", f->label);
        sn_jsonw_kstr(&w, "value", f->value);
        put(&w, "unit", f->unit);
        put(&w, "note", f->note);
        put_mood(&w, f->state);
        sn_jsonw_object_end(&w);
    }
    sn_jsonw_array_end(&w);
    if (c->has_link) {
        sn_jsonw_key(&w, SN_STR("link"));
        sn_jsonw_object(&w);
        sn_jsonw_kstr(&w, "text", c->link.text);
        sn_jsonw_kstr(&w, "href", c->link.href);
        sn_jsonw_object_end(&w);
    }
    sn_jsonw_object_end(&w);
}

int sn_exhibit_card(const char *name, struct sn_str line, struct sn_buf *out)
{
    struct sn_arena a;
    struct card c;
    sn_arena_init(&a, NULL, 4u << 20);
    struct sn_conf *conf = SN_ARENA_NEW(&a, struct sn_conf);
    const struct sn_json *tree;
    /* The configuration reader takes YAML too; a card is JSON. */
    int r = conf ? sn_json_parse(&a, line, NULL, &tree) : SN_E_NOMEM;
    if (r >= 0) r = sn_conf_load(conf, &a, name, line, &card_table, &c);
    if (r >= 0) {
        write_card(&c, out);
        r = out->err;
    }
    sn_arena_done(&a);
    return r;
}
