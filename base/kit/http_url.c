/* SPDX-License-Identifier: Apache-2.0 */
/* kit/http_url.c - the URLs a client is given: http, https, ws, wss (RFC 3986, no user part). */
#include "kit/http_int.h"

static bool scheme_is(struct sn_str *url, struct sn_str scheme)
{
    if (url->len < scheme.len || !sn_str_ieq(sn_str_sub(*url, 0, scheme.len), scheme)) return false;
    *url = sn_str_from(*url, scheme.len);
    return true;
}

/* Where a user part ends in what may be a URL; 0: it has none. */
static size_t userinfo_end(struct sn_str url)
{
    ssize_t scheme = sn_str_find(url, SN_STR("://"));
    size_t end = scheme < 0 ? 0 : (size_t)scheme + 3, at = 0;
    for (; end < url.len && url.ptr[end] != '/' && url.ptr[end] != '?' && url.ptr[end] != '#'; end++)
        if (url.ptr[end] == '@') at = end;
    return at;
}

/* A user part is a secret and is never shown. */
static int url_fail(struct sn_str url, const char *why)
{
    size_t hidden = userinfo_end(url);
    struct sn_str shown = sn_str_from(url, hidden);
    return sn_fail(SN_E_SYNTAX, "URL \"%s%.*s\": %s", hidden ? "***" : "",
                   (int)SN_MIN(shown.len, (size_t)200), shown.ptr, why);
}

int http_url_parse(struct sn_str url, struct http_url *ret)
{
    struct http_url u = {0};
    struct sn_str rest = url;
    if (scheme_is(&rest, SN_STR("http://"))) {
    } else if (scheme_is(&rest, SN_STR("https://"))) {
        u.tls = true;
    } else if (scheme_is(&rest, SN_STR("ws://"))) {
        u.ws = true;
    } else if (scheme_is(&rest, SN_STR("wss://"))) {
        u.ws = u.tls = true;
    } else {
        return url_fail(url, "expected http://, https://, ws:// or wss://");
    }
    size_t n = 0;
    while (n < rest.len && rest.ptr[n] != '/' && rest.ptr[n] != '?' && rest.ptr[n] != '#') n++;
    u.authority = sn_str_sub(rest, 0, n);
    if (sn_str_chr(u.authority, '@') >= 0)
        return url_fail(url, "a user and password are not taken here; send an Authorization header");
    if (!sn_http_host_valid(u.authority)) return url_fail(url, "malformed host");
    u.host = u.authority;
    u.port = u.tls ? 443 : 80;
    ssize_t colon = sn_str_rchr(u.authority, ':');
    if (u.authority.ptr[u.authority.len - 1] == ']') colon = -1;
    if (colon >= 0) {
        uint64_t port;
        if (sn_str_to_u64(sn_str_from(u.authority, (size_t)colon + 1), &port) < 0 || port == 0 ||
            port > 65535)
            return url_fail(url, "port is not in 1..65535");
        u.port = (uint16_t)port;
        u.host = sn_str_sub(u.authority, 0, (size_t)colon);
    }
    if (u.host.ptr[0] == '[') u.host = sn_str_sub(u.host, 1, u.host.len - 1);
    u.target = sn_str_from(rest, n);
    ssize_t frag = sn_str_chr(u.target, '#');
    if (frag >= 0) u.target = sn_str_sub(u.target, 0, (size_t)frag);
    for (size_t i = 0; i < u.target.len; i++) {
        unsigned char c = (unsigned char)u.target.ptr[i];
        if (c <= 0x20 || c >= 0x7f) return url_fail(url, "byte in the path that must be encoded");
    }
    *ret = u;
    return 0;
}
