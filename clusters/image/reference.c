/* SPDX-License-Identifier: Apache-2.0 */
/* image/reference.c - names of images, see reference.h. */
#include "image/reference.h"

#include "core/status.h"

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
static bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
static bool is_alnum(char c) { return is_digit(c) || is_lower(c) || is_upper(c); }

static int bad(struct sn_str text, const char *why)
{
    return sn_fail(SN_E_INVALID_ARGUMENT, "image reference \"%.*s\": %s",
                   (int)SN_MIN(text.len, (size_t)SN_IMAGE_REFERENCE_MAX), text.ptr ? text.ptr : "",
                   why);
}

bool sn_image_digest_valid(struct sn_str d)
{
    size_t hex = sn_str_starts(d, SN_STR("sha256:"))   ? 64
                 : sn_str_starts(d, SN_STR("sha512:")) ? 128
                                                       : 0;
    if (!hex || d.len != 7 + hex) return false;
    for (size_t i = 7; i < d.len; i++)
        if (!is_digit(d.ptr[i]) && !(d.ptr[i] >= 'a' && d.ptr[i] <= 'f')) return false;
    return true;
}

static bool tag_valid(struct sn_str t)
{
    if (t.len == 0 || t.len > SN_IMAGE_TAG_MAX || t.ptr[0] == '.' || t.ptr[0] == '-') return false;
    for (size_t i = 0; i < t.len; i++)
        if (!is_alnum(t.ptr[i]) && !strchr("_.-", t.ptr[i])) return false;
    return true;
}

/* Letters and digits in groups, between them one '.', one or two '_', or any number of '-'. */
static bool component_valid(struct sn_str c)
{
    size_t i = 0;
    while (i < c.len) {
        size_t word = i;
        while (i < c.len && (is_lower(c.ptr[i]) || is_digit(c.ptr[i]))) i++;
        if (i == word) return false;
        if (i == c.len) return true;
        char sep = c.ptr[i];
        size_t n = 0;
        while (i < c.len && c.ptr[i] == sep) i++, n++;
        if (!(sep == '-' || (sep == '.' && n == 1) || (sep == '_' && n <= 2))) return false;
    }
    return false; /* empty, or ends in a separator */
}

static bool repository_valid(struct sn_str r)
{
    if (r.len == 0) return false;
    while (r.ptr)
        if (!component_valid(sn_str_cut(&r, '/'))) return false;
    return true;
}

static bool port_valid(struct sn_str p)
{
    uint64_t v;
    return sn_str_to_u64(p, &v) == 0 && v >= 1 && v <= 65535;
}

/* "name(.name)*[:port]" or "[v6][:port]". */
static bool registry_valid(struct sn_str r)
{
    if (r.len && r.ptr[0] == '[') {
        ssize_t end = sn_str_chr(r, ']');
        if (end < 3) return false;
        for (ssize_t i = 1; i < end; i++)
            if (!is_digit(r.ptr[i]) &&
                !(sn_ascii_lower(r.ptr[i]) >= 'a' && sn_ascii_lower(r.ptr[i]) <= 'f') &&
                r.ptr[i] != ':')
                return false;
        struct sn_str rest = sn_str_from(r, (size_t)end + 1);
        return rest.len == 0 || (rest.ptr[0] == ':' && port_valid(sn_str_from(rest, 1)));
    }
    struct sn_str port = r, host = sn_str_cut(&port, ':');
    if (port.ptr && !port_valid(port)) return false;
    if (host.len == 0) return false;
    while (host.ptr) {
        struct sn_str label = sn_str_cut(&host, '.');
        if (label.len == 0 || label.ptr[0] == '-' || label.ptr[label.len - 1] == '-') return false;
        for (size_t i = 0; i < label.len; i++)
            if (!is_alnum(label.ptr[i]) && label.ptr[i] != '-') return false;
    }
    return true;
}

static bool names_registry(struct sn_str first)
{
    if (sn_str_eqc(first, "localhost") || sn_str_chr(first, '.') >= 0 ||
        sn_str_chr(first, ':') >= 0)
        return true;
    for (size_t i = 0; i < first.len; i++)
        if (is_upper(first.ptr[i])) return true;
    return false;
}

int sn_image_ref_parse(struct sn_arena *a, struct sn_str text, struct sn_image_ref *ret)
{
    struct sn_image_ref r = {.registry = SN_STR("docker.io")};
    if (text.len == 0) return bad(text, "is empty");
    if (text.len > SN_IMAGE_REFERENCE_MAX) return bad(text, "is longer than 1024 bytes");
    struct sn_str name = sn_arena_str(a, text);
    if (!name.ptr) return SN_E_NOMEM;
    ssize_t at = sn_str_chr(name, '@');
    if (at >= 0) {
        r.digest = sn_str_from(name, (size_t)at + 1);
        name = sn_str_sub(name, 0, (size_t)at);
        if (!sn_image_digest_valid(r.digest))
            return bad(text, "what follows '@' is no sha256 or sha512 digest");
    }
    ssize_t slash = sn_str_chr(name, '/');
    bool has_registry = slash > 0 && names_registry(sn_str_sub(name, 0, (size_t)slash));
    if (has_registry) {
        r.registry = sn_str_sub(name, 0, (size_t)slash);
        name = sn_str_from(name, (size_t)slash + 1);
        if (!registry_valid(r.registry))
            return bad(text, "the registry is no host name or address");
        if (sn_str_eqc(r.registry, "index.docker.io")) r.registry = SN_STR("docker.io");
    }
    ssize_t colon = sn_str_rchr(name, ':');
    if (colon >= 0) {
        r.tag = sn_str_from(name, (size_t)colon + 1);
        name = sn_str_sub(name, 0, (size_t)colon);
        if (!tag_valid(r.tag))
            return bad(text,
                       "the tag is not 1 to 128 of A-Z a-z 0-9 _ . - (not beginning with . or -)");
    } else if (!r.digest.ptr) {
        r.tag = SN_STR("latest");
    }
    if (!repository_valid(name))
        return bad(
            text,
            "the repository is not of lower-case letters and digits, with . _ - between them");
    r.repository = name;
    if (sn_str_eqc(r.registry, "docker.io") && sn_str_chr(name, '/') < 0) {
        r.repository = sn_arena_printf(a, "library/%.*s", SN_STR_ARG(name));
        if (!r.repository.ptr) return SN_E_NOMEM;
    }
    if (r.registry.len + 1 + r.repository.len > SN_IMAGE_REPOSITORY_MAX)
        return bad(text, "registry and repository are longer than 255 bytes");
    *ret = r;
    return 0;
}

struct sn_str sn_image_ref_text(struct sn_arena *a, const struct sn_image_ref *r)
{
    return sn_arena_printf(a, "%.*s/%.*s%s%.*s%s%.*s", SN_STR_ARG(r->registry),
                           SN_STR_ARG(r->repository), r->tag.ptr ? ":" : "", SN_STR_ARG(r->tag),
                           r->digest.ptr ? "@" : "", SN_STR_ARG(r->digest));
}

struct sn_str sn_image_ref_familiar(struct sn_str text)
{
    if (!sn_str_starts(text, SN_STR("docker.io/"))) return text;
    text = sn_str_from(text, sizeof("docker.io/") - 1);
    struct sn_str rest = sn_str_from(text, sizeof("library/") - 1);
    return sn_str_starts(text, SN_STR("library/")) && sn_str_chr(rest, '/') < 0 ? rest : text;
}
