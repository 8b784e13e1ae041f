/* SPDX-License-Identifier: Apache-2.0 */
/* consensus/p2p/book_file.c - the address book as CometBFT's addrbook.json. Where Go lists several
 * buckets of a new address, the first is taken. */
#include "consensus/p2p/book_int.h"
#include "core/arena.h"
#include "core/enc.h"
#include "core/status.h"
#include "core/time.h"
#include "wire/json.h"

enum { BUCKET_NEW = 1, BUCKET_OLD = 2 };

static void put_addr(struct sn_jsonw *w, const char *name, const struct sn_node_addr *a)
{
    char ip[SN_NODE_IP_TEXT_MAX];
    size_t n = sn_node_addr_ip(a, ip);
    sn_jsonw_key(w, sn_str(name));
    sn_jsonw_object(w);
    sn_jsonw_kstr(w, "id", sn_str(a->id));
    sn_jsonw_kstr(w, "ip", sn_str_of(ip, n));
    sn_jsonw_ku64(w, "port", a->port);
    sn_jsonw_object_end(w);
}
/* Never is Go's zero time. */
static void put_time(struct sn_jsonw *w, const char *name, int64_t t)
{
    char text[SN_RFC3339_MAX];
    if (t == 0)
        sn_jsonw_kstr(w, name, SN_STR("0001-01-01T00:00:00Z"));
    else
        sn_jsonw_kstr(w, name, sn_str_of(text, sn_time_rfc3339(t, -1, text)));
}
static void put_entry(struct sn_jsonw *w, const struct book_entry *e)
{
    sn_jsonw_object(w);
    put_addr(w, "addr", &e->addr);
    put_addr(w, "src", &e->from);
    sn_jsonw_key(w, SN_STR("buckets"));
    sn_jsonw_array(w);
    sn_jsonw_u64(w, e->bucket);
    sn_jsonw_array_end(w);
    sn_jsonw_ki64(w, "attempts", e->attempts);
    sn_jsonw_ki64(w, "bucket_type", e->old ? BUCKET_OLD : BUCKET_NEW);
    put_time(w, "last_attempt", e->tried);
    put_time(w, "last_success", e->success);
    put_time(w, "last_ban_time", 0);
    sn_jsonw_object_end(w);
}
int sn_book_save(const struct sn_book *b, struct sn_buf *out)
{
    struct sn_jsonw w;
    sn_jsonw_init(&w, out, NULL);
    sn_jsonw_object(&w);
    sn_jsonw_kstr(&w, "key", sn_str(b->key));
    sn_jsonw_key(&w, SN_STR("addrs"));
    sn_jsonw_array(&w);
    /* By bucket: the same book gives the same file. */
    for (unsigned i = 0; i < SN_BOOK_OLD_BUCKETS; i++)
        for (unsigned k = 0; k < b->old[i].n; k++) put_entry(&w, b->old[i].entry[k]);
    for (unsigned i = 0; i < SN_BOOK_NEW_BUCKETS; i++)
        for (unsigned k = 0; k < b->fresh[i].n; k++) put_entry(&w, b->fresh[i].entry[k]);
    sn_jsonw_array_end(&w);
    sn_jsonw_object_end(&w);
    return out->err;
}

static int get_addr(const struct sn_json *v, struct sn_node_addr *ret)
{
    int64_t port = sn_json_i64_or(sn_json_get(v, "port"), -1);
    if (port < 0) return SN_E_SYNTAX;
    return sn_node_addr_set(ret, sn_json_str(sn_json_get(v, "id")),
                            sn_json_str(sn_json_get(v, "ip")), (uint64_t)port);
}
/* A time that cannot be said in nanoseconds, Go's zero among them, is never. */
static int64_t get_time(const struct sn_json *v)
{
    int64_t t;
    return sn_time_parse_rfc3339(sn_json_str(v), &t) == 0 && t > 0 ? t : 0;
}
static int get_entry(const struct sn_json *v, struct book_entry *e)
{
    int64_t type = sn_json_i64_or(sn_json_get(v, "bucket_type"), 0);
    int64_t bucket = sn_json_i64_or(sn_json_at(sn_json_get(v, "buckets"), 0), -1);
    *e = (struct book_entry){.old = type == BUCKET_OLD, .bucket = (uint16_t)bucket};
    if ((type != BUCKET_OLD && type != BUCKET_NEW) || bucket < 0 ||
        bucket >= (e->old ? SN_BOOK_OLD_BUCKETS : SN_BOOK_NEW_BUCKETS))
        return SN_E_SYNTAX;
    int64_t attempts = sn_json_i64_or(sn_json_get(v, "attempts"), 0);
    e->attempts = (int32_t)SN_MAX(0, SN_MIN(attempts, INT32_MAX));
    e->tried = get_time(sn_json_get(v, "last_attempt"));
    e->success = get_time(sn_json_get(v, "last_success"));
    int r = get_addr(sn_json_get(v, "addr"), &e->addr);
    return r < 0 ? r : get_addr(sn_json_get(v, "src"), &e->from);
}
static int load(struct sn_book *b, int64_t now, struct sn_arena *a, struct sn_str text)
{
    const struct sn_json *root;
    uint8_t raw[SN_BOOK_KEY_LEN / 2];
    int r = sn_json_parse(a, text, NULL, &root), left_out = 0;
    if (r < 0) return r;
    struct sn_str key = sn_json_str(sn_json_get(root, "key"));
    const struct sn_json *addrs = sn_json_get(root, "addrs");
    if (key.len != SN_BOOK_KEY_LEN || sn_hex_decode(key, raw) < 0)
        return sn_fail(SN_E_SYNTAX, "\"key\" is not %d hexadecimal digits", SN_BOOK_KEY_LEN);
    memcpy(b->key, key.ptr, SN_BOOK_KEY_LEN);
    for (size_t i = 0; i < sn_json_len(addrs); i++) {
        const struct sn_json *v = sn_json_at(addrs, i);
        struct book_entry e;
        int64_t ban = get_time(sn_json_get(v, "last_ban_time"));
        r = get_entry(v, &e);
        if (r == 0) r = ban > now ? sn_book_ban(b, e.addr.id, ban) : book_restore(b, &e);
        if (r == SN_E_NOMEM) return r;
        left_out += r < 0;
    }
    return left_out;
}
int sn_book_load(struct sn_book *b, int64_t now, struct sn_str text)
{
    struct sn_arena a;
    if (text.len > SN_BOOK_FILE_MAX)
        return sn_fail(SN_E_TOO_LARGE, "address book of %zu bytes, limit %u", text.len,
                       SN_BOOK_FILE_MAX);
    sn_arena_init(&a, NULL, 8 * (size_t)SN_BOOK_FILE_MAX);
    int r = load(b, now, &a, text);
    sn_arena_done(&a);
    return r < 0 ? sn_wrap(r, "address book") : r;
}
