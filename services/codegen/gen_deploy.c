/* SPDX-License-Identifier: Apache-2.0 */
/* codegen/gen_deploy.c - a Dockerfile and Kubernetes manifests from a service's configuration. */
#include "codegen/gen_int.h"
#include "wire/yaml.h"

GEN_TEMPLATE(dockerfile);
GEN_TEMPLATE(dockerignore);
GEN_TEMPLATE(kube);

struct deploy { /* everything as text for the templates */
    struct sn_arena *arena;
    const struct sn_gen_deploy *d;
    const char *name, *label, *image, *space, *port, *config_path, *config_dir, *config_file;
    const char *cpu, *memory, *cpu_max, *memory_max, *replicas, *replicas_max, *drain;
    bool grpc;
};

static bool is_label(struct sn_str s)
{
    if (!s.len || s.len > 63 || s.ptr[0] == '-' || s.ptr[s.len - 1] == '-') return false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-')) return false;
    }
    return true;
}
/* Programs are named with '_' where DNS wants '-'. */
static const char *label_of(struct sn_arena *a, struct sn_str name)
{
    struct sn_str s = sn_arena_str(a, name);
    for (size_t i = 0; s.ptr && i < s.len; i++)
        if (s.ptr[i] == '_') ((char *)(uintptr_t)s.ptr)[i] = '-';
    return s.ptr;
}
static bool is_quantity(struct sn_str s)
{
    size_t digits = 0;
    while (digits < s.len && s.ptr[digits] >= '0' && s.ptr[digits] <= '9') digits++;
    static const char *const units[] = {"", "m", "Ki", "Mi", "Gi", "k", "M", "G"};
    for (size_t i = 0; digits && i < SN_COUNT_OF(units); i++)
        if (sn_str_eqc(sn_str_from(s, digits), units[i])) return true;
    return false;
}
/* Four times the quantity, in its unit. */
static const char *four_times(struct sn_arena *a, struct sn_str s)
{
    size_t digits = 0;
    uint64_t n;
    while (digits < s.len && s.ptr[digits] >= '0' && s.ptr[digits] <= '9') digits++;
    if (sn_str_to_u64(sn_str_sub(s, 0, digits), &n) < 0 || n > UINT32_MAX) return NULL;
    return sn_arena_printf(a, "%llu%.*s", (unsigned long long)(4 * n),
                           SN_STR_ARG(sn_str_from(s, digits)))
        .ptr;
}

/* What the configuration says of its port and of the time a drain takes. */
static int read_config(struct deploy *x, uint32_t *port, int64_t *drain_ns)
{
    struct sn_yaml_doc doc;
    struct sn_str listen;
    uint64_t n;
    int64_t ns;
    if (!x->d->config.len) return 0;
    int r = sn_yaml_parse(x->arena, x->d->config, NULL, &doc);
    if (r == SN_E_NOMEM) return r;
    if (r < 0) return sn_fail(SN_E_INVALID_ARGUMENT, "configuration: %s", sn_diag_str(r));
    listen = sn_json_str(sn_json_get(doc.root, "listen"));
    ssize_t colon = sn_str_rchr(listen, ':');
    if (colon >= 0 && sn_str_to_u64(sn_str_from(listen, (size_t)colon + 1), &n) == 0 && n &&
        n <= UINT16_MAX)
        *port = (uint32_t)n;
    else if (listen.len)
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "configuration: listen: expected host:port, got \"%.*s\"",
                       SN_STR_ARG(listen));
    static const char *const parts[] = {"settle", "grace"};
    int64_t times[] = {2 * SN_SEC, 10 * SN_SEC};
    for (size_t i = 0; i < SN_COUNT_OF(parts); i++)
        if (sn_str_to_duration(sn_json_str(sn_json_get(doc.root, parts[i])), &ns) == 0 && ns >= 0)
            times[i] = ns;
    *drain_ns = times[0] + times[1];
    return 0;
}
static const char *text_or(struct sn_arena *a, struct sn_str s, const char *other)
{
    return s.len ? sn_arena_str(a, s).ptr : other;
}
static int prepare(struct deploy *x)
{
    const struct sn_gen_deploy *d = x->d;
    struct sn_arena *a = x->arena;
    uint32_t port = 8888;
    int64_t drain = 12 * SN_SEC;
    x->name = sn_arena_str(a, d->name).ptr;
    x->label = label_of(a, d->name);
    if (!x->name || !x->label) return SN_E_NOMEM;
    if (!is_label(sn_str(x->label)) || (d->namespace_.len && !is_label(d->namespace_)))
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "\"%.*s\": expected lower-case letters, digits and dashes, at most 63",
                       SN_STR_ARG(is_label(sn_str(x->label)) ? d->namespace_ : d->name));
    int r = read_config(x, &port, &drain);
    if (r < 0) return r;
    if (d->port) port = d->port;
    struct sn_str cpu = d->cpu.len ? d->cpu : SN_STR("250m"),
                  memory = d->memory.len ? d->memory : SN_STR("64Mi");
    if (!is_quantity(cpu) || !is_quantity(memory))
        return sn_fail(SN_E_INVALID_ARGUMENT,
                       "expected a quantity such as 250m or 64Mi, got \"%.*s\"",
                       SN_STR_ARG(is_quantity(cpu) ? memory : cpu));
    for (size_t i = 0; i < d->image.len; i++)
        if (d->image.ptr[i] <= ' ' || strchr("\"'\\{}[]#", d->image.ptr[i]))
            return sn_fail(SN_E_INVALID_ARGUMENT, "\"%.*s\": expected an image's name",
                           SN_STR_ARG(d->image));
    x->image = text_or(a, d->image, sn_arena_printf(a, "%s:latest", x->label).ptr);
    x->space = text_or(a, d->namespace_, "default");
    x->port = sn_arena_printf(a, "%u", port).ptr;
    x->config_path =
        text_or(a, d->config_path, sn_arena_printf(a, "/etc/%s/%s.yaml", x->name, x->name).ptr);
    x->config_file = x->config_path ? strrchr(x->config_path, '/') : NULL;
    if (!x->config_file)
        return x->config_path ? sn_fail(SN_E_INVALID_ARGUMENT,
                                        "expected an absolute path, got \"%s\"", x->config_path)
                              : SN_E_NOMEM;
    x->config_dir =
        sn_arena_str(a, sn_str_of(x->config_path, (size_t)(x->config_file - x->config_path))).ptr;
    x->config_file++;
    x->cpu = sn_arena_str(a, cpu).ptr;
    x->memory = sn_arena_str(a, memory).ptr;
    x->cpu_max = four_times(a, cpu);
    x->memory_max = four_times(a, memory);
    x->replicas = sn_arena_printf(a, "%u", d->replicas ? d->replicas : 2).ptr;
    x->replicas_max =
        sn_arena_printf(a, "%u", SN_MAX(d->replicas_max ? d->replicas_max : 10, d->replicas)).ptr;
    /* The kubelet waits for the drain and a little more. */
    x->drain = sn_arena_printf(a, "%lld", (long long)(drain / SN_SEC + 5)).ptr;
    return 0;
}

static const char *indented(struct sn_arena *a, struct sn_str text, const char *by)
{
    struct sn_buf b;
    sn_buf_init(&b, 0);
    while (text.ptr && text.len) {
        struct sn_str line = sn_str_cut(&text, '\n');
        if (line.len && line.ptr[line.len - 1] == '\r') line.len--;
        sn_buf_printf(&b, "%s%.*s\n", line.len ? by : "", SN_STR_ARG(line));
    }
    const char *s = b.err < 0 ? NULL : sn_arena_str(a, sn_buf_view(&b)).ptr;
    sn_buf_done(&b);
    return s;
}
static int write_one(struct deploy *x, const unsigned char *text, size_t len,
                     struct sn_gen_files *files, const char *path)
{
    static const char grpc_probe[] = "grpc: {port: %s}",
                      http_probe[] = "httpGet: {path: /readyz, port: main}";
    struct sn_buf b;
    const char *ready = x->grpc ? sn_arena_printf(x->arena, grpc_probe, x->port).ptr : http_probe;
    const struct gen_var vars[] = {{"name", x->name},
                                   {"label", x->label},
                                   {"image", x->image},
                                   {"namespace", x->space},
                                   {"port", x->port},
                                   {"config_path", x->config_path},
                                   {"config_dir", x->config_dir},
                                   {"config_file", x->config_file},
                                   {"cpu", x->cpu},
                                   {"memory", x->memory},
                                   {"cpu_max", x->cpu_max},
                                   {"memory_max", x->memory_max},
                                   {"replicas", x->replicas},
                                   {"replicas_max", x->replicas_max},
                                   {"drain", x->drain},
                                   {"ready", ready},
                                   {"config", indented(x->arena, x->d->config, "    ")},
                                   {0}};
    sn_buf_init(&b, 0);
    gen_template(&b, text, len, vars);
    return gen_add(files, SN_GEN_YOURS, &b, "%s", path);
}
static int begin(struct deploy *x, const struct sn_gen_deploy *d, struct sn_arena *a,
                 struct sn_gen_files *ret)
{
    *ret = (struct sn_gen_files){.arena = a};
    *x = (struct deploy){.arena = a, .d = d, .grpc = d->grpc};
    return prepare(x);
}

int sn_gen_docker(const struct sn_gen_deploy *d, const struct sn_gen_opts *o, struct sn_arena *a,
                  struct sn_gen_files *ret)
{
    struct deploy x;
    int r = begin(&x, d, a, ret);
    if (r == 0) r = write_one(&x, gen_t_dockerfile, gen_t_dockerfile_len, ret, "Dockerfile");
    return r < 0 ? r
                 : write_one(&x, gen_t_dockerignore, gen_t_dockerignore_len, ret, ".dockerignore");
}
int gen_dockerfile(const char *name, struct sn_gen_files *files)
{
    struct sn_gen_files docker;
    int r =
        sn_gen_docker(&(struct sn_gen_deploy){.name = sn_str(name)}, NULL, files->arena, &docker);
    for (size_t i = 0; i < docker.n && r == 0; i++) {
        struct sn_buf b;
        sn_buf_init(&b, 0);
        sn_buf_str(&b, docker.list[i].text);
        r = gen_add(files, SN_GEN_YOURS, &b, "%.*s", SN_STR_ARG(docker.list[i].path));
    }
    return r == SN_E_INVALID_ARGUMENT ? 0
                                      : r; /* a name that no image can have: the project has none */
}
int sn_gen_kube(const struct sn_gen_deploy *d, const struct sn_gen_opts *o, struct sn_arena *a,
                struct sn_gen_files *ret)
{
    struct deploy x;
    int r = begin(&x, d, a, ret);
    if (r < 0) return r;
    struct sn_str path = sn_arena_printf(a, "%s.k8s.yaml", x.label);
    return path.ptr ? write_one(&x, gen_t_kube, gen_t_kube_len, ret, path.ptr) : SN_E_NOMEM;
}
