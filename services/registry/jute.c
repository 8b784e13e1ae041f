/* SPDX-License-Identifier: Apache-2.0 */
/* registry/jute.c - see jute.h. */
#include "registry/jute.h"

static uint64_t take(struct jute_in *r, size_t n)
{
    uint64_t v = 0;
    if (r->bad || r->in.len < n) {
        r->bad = true;
        return 0;
    }
    for (size_t i = 0; i < n; i++) v = v << 8 | (uint8_t)r->in.ptr[i];
    r->in = sn_str_from(r->in, n);
    return v;
}

int32_t jute_i32(struct jute_in *r) { return (int32_t)(uint32_t)take(r, 4); }
int64_t jute_i64(struct jute_in *r) { return (int64_t)take(r, 8); }
bool jute_bool(struct jute_in *r) { return take(r, 1) != 0; }

struct sn_str jute_str(struct jute_in *r)
{
    int32_t n = jute_i32(r);
    if (n == -1 && !r->bad) return SN_STR("");
    if (r->bad || n < 0 || (size_t)n > r->in.len) {
        r->bad = true;
        return SN_STR("");
    }
    struct sn_str s = sn_str_sub(r->in, 0, (size_t)n);
    r->in = sn_str_from(r->in, (size_t)n);
    return s;
}

static void put(struct sn_buf *b, uint64_t v, unsigned n)
{
    while (n--) (void)sn_buf_byte(b, (uint8_t)(v >> 8 * n));
}
void jute_put_i32(struct sn_buf *b, int32_t v) { put(b, (uint32_t)v, 4); }
void jute_put_i64(struct sn_buf *b, int64_t v) { put(b, (uint64_t)v, 8); }
void jute_put_str(struct sn_buf *b, struct sn_str s)
{
    put(b, s.len, 4);
    (void)sn_buf_str(b, s);
}

size_t jute_begin(struct sn_buf *b)
{
    put(b, 0, 4);
    return b->len;
}

void jute_end(struct sn_buf *b, size_t at)
{
    if (b->err < 0) return;
    size_t n = b->len - at;
    for (unsigned i = 0; i < 4; i++) b->ptr[at - 4 + i] = (uint8_t)(n >> 8 * (3 - i));
}

static int bad(const char *what) { return sn_fail(SN_E_PROTOCOL, "zookeeper: malformed %s", what); }

/* ---- connecting ----------------------------------------------------------------------------- */

void zk_put_connect(struct sn_buf *b, const struct zk_session *s, int64_t last_zxid)
{
    size_t at = jute_begin(b);
    jute_put_i32(b, 0); /* protocol version */
    jute_put_i64(b, last_zxid);
    jute_put_i32(b, s->timeout_ms);
    jute_put_i64(b, s->id);
    jute_put_str(b, sn_str_of(s->password, sizeof(s->password)));
    put(b, 0, 1); /* no read-only server */
    jute_end(b, at);
}

int zk_get_connect(struct sn_str frame, struct zk_session *s)
{
    struct jute_in r = {.in = frame};
    struct zk_session got = {0};
    (void)jute_i32(&r);
    got.timeout_ms = jute_i32(&r);
    got.id = jute_i64(&r);
    struct sn_str password = jute_str(&r);
    if (r.bad || password.len != sizeof(got.password)) return bad("connect response");
    /* An expired session's answer has time-out 0 and id 0. */
    if (got.id != 0 && (got.timeout_ms < 100 || got.timeout_ms > 3600000))
        return bad("session time-out");
    memcpy(got.password, password.ptr, sizeof(got.password));
    *s = got;
    return 0;
}

/* ---- replies -------------------------------------------------------------------------------- */

int zk_get_reply(struct sn_str frame, struct zk_reply *ret)
{
    struct jute_in r = {.in = frame};
    struct zk_reply out = {.xid = jute_i32(&r)};
    out.zxid = jute_i64(&r);
    out.err = jute_i32(&r);
    if (r.bad) return bad("reply header");
    out.body = r.in;
    *ret = out;
    return 0;
}

int zk_get_event(struct sn_str body, struct zk_event *ret)
{
    struct jute_in r = {.in = body};
    struct zk_event e = {.type = jute_i32(&r)};
    e.state = jute_i32(&r);
    e.path = jute_str(&r);
    if (r.bad) return bad("event");
    *ret = e;
    return 0;
}

int zk_get_stat(struct jute_in *r, struct zk_stat *ret)
{
    struct zk_stat s = {.czxid = jute_i64(r)};
    s.mzxid = jute_i64(r);
    (void)jute_i64(r); /* ctime */
    (void)jute_i64(r); /* mtime */
    s.version = jute_i32(r);
    (void)jute_i32(r); /* cversion */
    (void)jute_i32(r); /* aversion */
    s.ephemeral_owner = jute_i64(r);
    (void)jute_i32(r); /* dataLength */
    (void)jute_i32(r); /* numChildren */
    (void)jute_i64(r); /* pzxid */
    if (r->bad) return bad("stat");
    *ret = s;
    return 0;
}

int zk_get_children(struct sn_str body, struct sn_arena *a, struct sn_str **ret, size_t *ret_n)
{
    struct jute_in r = {.in = body};
    int32_t n = jute_i32(&r);
    if (n == -1) n = 0;
    /* Each takes at least its length's four bytes: no array larger than the message. */
    if (r.bad || n < 0 || (size_t)n > r.in.len / 4 || (uint32_t)n > JUTE_CHILDREN_MAX)
        return bad("list of children");
    struct sn_str *list = SN_ARENA_ARRAY(a, struct sn_str, (size_t)n);
    if (!list) return SN_E_NOMEM;
    for (int32_t i = 0; i < n; i++) list[i] = jute_str(&r);
    if (r.bad) return bad("list of children");
    *ret = list;
    *ret_n = (size_t)n;
    return 0;
}

int zk_get_data(struct sn_str body, struct sn_str *ret, struct zk_stat *ret_stat)
{
    struct jute_in r = {.in = body};
    struct sn_str data = jute_str(&r);
    if (r.bad) return bad("data");
    int e = zk_get_stat(&r, ret_stat);
    if (e >= 0) *ret = data;
    return e;
}

/* ---- requests ------------------------------------------------------------------------------- */

static size_t request(struct sn_buf *b, int32_t xid, enum zk_op op)
{
    size_t at = jute_begin(b);
    jute_put_i32(b, xid);
    jute_put_i32(b, op);
    return at;
}

void zk_put_path(struct sn_buf *b, int32_t xid, enum zk_op op, struct sn_str path, bool watch)
{
    size_t at = request(b, xid, op);
    jute_put_str(b, path);
    put(b, watch, 1);
    jute_end(b, at);
}

void zk_put_delete(struct sn_buf *b, int32_t xid, struct sn_str path)
{
    size_t at = request(b, xid, ZK_DELETE);
    jute_put_str(b, path);
    jute_put_i32(b, -1);
    jute_end(b, at);
}

void zk_put_set(struct sn_buf *b, int32_t xid, struct sn_str path, struct sn_str data)
{
    size_t at = request(b, xid, ZK_SET);
    jute_put_str(b, path);
    jute_put_str(b, data);
    jute_put_i32(b, -1);
    jute_end(b, at);
}

void zk_put_create(struct sn_buf *b, int32_t xid, struct sn_str path, struct sn_str data,
                   bool ephemeral, bool mine)
{
    size_t at = request(b, xid, ZK_CREATE);
    jute_put_str(b, path);
    jute_put_str(b, data);
    jute_put_i32(b, 1);  /* one entry in the list of rights: */
    jute_put_i32(b, 31); /* all of them, */
    jute_put_str(b, mine ? SN_STR("auth") : SN_STR("world"));
    jute_put_str(b, mine ? SN_STR("") : SN_STR("anyone"));
    jute_put_i32(b, ephemeral);
    jute_end(b, at);
}

void zk_put_auth(struct sn_buf *b, struct sn_str scheme, struct sn_str auth)
{
    size_t at = request(b, ZK_XID_AUTH, ZK_AUTH);
    jute_put_i32(b, 0);
    jute_put_str(b, scheme);
    jute_put_str(b, auth);
    jute_end(b, at);
}

void zk_put_bare(struct sn_buf *b, int32_t xid, enum zk_op op)
{
    size_t at = request(b, xid, op);
    jute_end(b, at);
}
