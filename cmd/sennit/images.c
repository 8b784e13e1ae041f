/* SPDX-License-Identifier: Apache-2.0 */
/* sennit pull, images, rmi, load, save, image - images for people. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/time.h"
#include "fiber/os.h"
#include "image/image.h"
#include "image/reference.h"
#include "sennit/commands.h"
#include "sennit/files.h"
#include "sennit/images.h"

#define EXIT_STOPPED 130 /* as shells have it for Ctrl-C */

struct image_opts {
    struct sn_str root;
    /* of some commands */
    struct sn_str platform, user, authfile, output, name, certs_dir;
    bool plain_http, tls_insecure, no_unpack, no_sync, quiet, all, json, no_trunc, read_only;
};
#define ROOT_FIELD                                                                \
    SN_CONF_STRING(struct image_opts, root, "root", .def = SN_IMAGE_ROOT_DEFAULT, \
                   .metavar = "FOLDER", .help = "The store of images.")
#define QUIET_FIELD(what) \
    SN_CONF_BOOL(struct image_opts, quiet, "quiet", .letter = 'q', .help = what)

struct job {
    const struct sn_cli_call *call;
    const struct image_opts *o;
    struct sn_arena *a;
    struct sn_image_store *st;
    int (*work)(struct job *j);
    bool stopped; /* by a signal */
    struct sn_scope *inner;
};

static const char *text_of(struct sn_arena *a, struct sn_str s)
{
    return s.len ? sn_arena_str(a, s).ptr : NULL;
}

/* Ctrl-C ends a pull in order: what came so far stays for the next one. */
static int on_signal(void *arg)
{
    static const int wanted[] = {SIGINT, SIGTERM, 0};
    struct job *j = arg;
    int r = sn_signal_wait(wanted);
    if (r > 0) {
        j->stopped = true;
        sn_scope_cancel(j->inner);
    }
    return 0;
}

static int with_store(void *arg)
{
    struct job *j = arg;
    struct sn_image_store_opts so = {.root = text_of(j->a, j->o->root),
                                     .certs_dir = text_of(j->a, j->o->certs_dir),
                                     .no_sync = j->o->no_sync};
    int r = sn_image_store_open(&so, &j->st);
    if (r < 0) return r;
    r = j->work(j);
    sn_image_store_close(j->st);
    return r;
}

static int scoped(void *arg)
{
    struct sn_scope_storage mem, inner;
    struct sn_scope *s = sn_scope_begin(&mem), *work;
    int r = 0;
    work = sn_scope_begin(&inner);
    struct job *j = arg;
    j->inner = work;
    r = sn_scope_go(s, "signals", on_signal, j);
    if (r == 0) r = with_store(j);
    struct sn_diag kept = *sn_diag();
    (void)sn_scope_end(work);
    sn_scope_cancel(s);
    (void)sn_scope_end(s);
    *sn_diag() = kept;
    return r;
}

static int run(const struct sn_cli_call *call, int (*work)(struct job *j))
{
    struct job j = {.call = call, .o = call->opts, .a = call->arena, .work = work};
    int r = sn_rt_run(NULL, scoped, &j);
    return r < 0 && j.stopped ? EXIT_STOPPED : r;
}

/* ---- text
 * -------------------------------------------------------------------------------------------------
 */

static void put_bytes(struct sn_buf *b, uint64_t n)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    double v = (double)n;
    unsigned u = 0;
    while (v >= 1000 && u < 4) v /= 1000, u++;
    sn_buf_printf(b,
                  u == 0    ? "%.0f %s"
                  : v < 10  ? "%.2f %s"
                  : v < 100 ? "%.1f %s"
                            : "%.0f %s",
                  v, units[u]);
}

static struct sn_str short_id(struct sn_str id, bool whole)
{
    return whole ? id : sn_str_sub(id, 7, 19);
}

/* ---- pull
 * --------------------------------------------------------------------------------------------------
 */

static const struct sn_conf_field pull_fields[] = {
    ROOT_FIELD,
    SN_CONF_STRING(struct image_opts, platform, "platform", .metavar = "OS/ARCH[/VARIANT]",
                   .help = "For which machine; without it: this one."),
    SN_CONF_STRING(struct image_opts, user, "user", .letter = 'u', .metavar = "USER",
                   .help = "Who asks; the password is read from standard input, its first line."),
    SN_CONF_STRING(
        struct image_opts, authfile, "authfile", .metavar = "FILE",
        .help = "Credentials as in docker's config.json; without it `~/.docker/config.json`."),
    SN_CONF_STRING(struct image_opts, certs_dir, "certs-dir", .metavar = "FOLDER",
                   .help = "Mirrors and certificates, as containerd has them; without it "
                           "`/etc/containerd/certs.d`."),
    SN_CONF_BOOL(struct image_opts, plain_http, "plain-http",
                 .help = "Speak http, also to hosts that are not loopback."),
    SN_CONF_BOOL(struct image_opts, tls_insecure, "tls-insecure",
                 .help = "Do not verify the registry's certificate."),
    SN_CONF_BOOL(struct image_opts, no_unpack, "no-unpack",
                 .help = "Only fetch: unpacked when it is first used."),
    SN_CONF_BOOL(struct image_opts, no_sync, "no-sync",
                 .help = "Do not wait for the disk: a power cut may cost what was just pulled."),
    QUIET_FIELD("Print the image's id only."),
};
static const struct sn_conf_table pull_table = SN_CONF_TABLE(struct image_opts, pull_fields);

void images_progress(const struct sn_image_progress *p, void *arg)
{
    struct sn_progress *bar = arg;
    struct sn_buf b;
    char line[128];
    sn_buf_init_fixed(&b, line, sizeof(line) - 1);
    if (!p->bytes_total) return;
    uint64_t done = SN_MIN(p->bytes, p->bytes_total);
    unsigned filled = (unsigned)(done * 24 / p->bytes_total);
    sn_buf_printf(&b, "[%.*s%*s] %3llu %%  ", (int)filled, "########################",
                  (int)(24 - filled), "", (unsigned long long)(done * 100 / p->bytes_total));
    put_bytes(&b, done);
    sn_buf_cstr(&b, " of ");
    put_bytes(&b, p->bytes_total);
    sn_buf_printf(&b, "  %u/%u layers", p->layers_done, p->layers);
    line[b.len] = 0;
    sn_progress_text(bar, line);
}

static int password_of(struct job *j, struct sn_image_auth *au)
{
    char line[1024];
    if (!j->o->user.len) return 0;
    if (isatty(0)) fprintf(stderr, "password of %.*s: ", SN_STR_ARG(j->o->user));
    if (!fgets(line, sizeof(line), stdin))
        return sn_fail(SN_E_INVALID_ARGUMENT, "no password on standard input");
    line[strcspn(line, "\r\n")] = 0;
    au->username = j->o->user;
    au->password = sn_arena_str(j->a, sn_str(line));
    explicit_bzero(line, sizeof(line));
    return au->password.ptr ? 0 : SN_E_NOMEM;
}

const char *images_authfile(struct sn_arena *a)
{
    const char *home = getenv("HOME");
    return home ? sn_arena_printf(a, "%s/.docker/config.json", home).ptr : NULL;
}

static int work_pull(struct job *j)
{
    struct sn_image im;
    struct sn_progress bar;
    struct sn_image_pull_opts o = {.platform = j->o->platform,
                                   .plain_http = j->o->plain_http,
                                   .tls_insecure = j->o->tls_insecure,
                                   .no_unpack = j->o->no_unpack,
                                   .credentials_file = j->o->authfile.len
                                                           ? text_of(j->a, j->o->authfile)
                                                           : images_authfile(j->a)};
    int r = password_of(j, &o.auth);
    if (r < 0) return r;
    sn_progress_begin(&bar, "", 0);
    if (!j->o->quiet) o.progress = images_progress, o.arg = &bar;
    int64_t start = sn_now();
    r = sn_image_pull(j->st, j->call->args[0], &o, j->a, &im);
    sn_progress_end(&bar);
    if (r < 0) return r;
    struct sn_buf b;
    sn_buf_init(&b, 0);
    if (j->o->quiet) {
        sn_buf_printf(&b, "%.*s", SN_STR_ARG(im.id));
    } else {
        char took[SN_DURATION_MAX];
        sn_duration_format((sn_now() - start) / SN_MS * SN_MS, took);
        sn_buf_printf(&b, "%.*s  %.*s  ",
                      SN_STR_ARG(im.n_tags ? sn_image_ref_familiar(im.tags[0]) : im.target),
                      SN_STR_ARG(short_id(im.id, false)));
        put_bytes(&b, im.size);
        sn_buf_printf(&b, " in %s", took);
    }
    r = files_print(&b);
    sn_buf_done(&b);
    return r;
}
static int run_pull(const struct sn_cli_call *call) { return run(call, work_pull); }

const struct sn_cli_command sn_cmd_pull = {
    .name = "pull",
    .brief = "fetch an image from a registry",
    .usage = "REFERENCE",
    .about = "`sennit pull busybox` is docker.io/library/busybox:latest. Layers come in parallel, "
             "are unpacked while\n"
             "they come, checked against their digests, and continued where they broke off.\n\n"
             "Registries on this machine are spoken to in http, others in https. Mirrors and "
             "certificates are those of\n"
             "`/etc/containerd/certs.d/HOST/hosts.toml`.",
    .table = &pull_table,
    .args_min = 1,
    .args_max = 1,
    .run = run_pull,
};

/* ---- images
 * -------------------------------------------------------------------------------------------------
 */

static const struct sn_conf_field images_fields[] = {
    ROOT_FIELD,
    QUIET_FIELD("Print ids only."),
    SN_CONF_BOOL(struct image_opts, no_trunc, "no-trunc", .help = "Whole ids."),
    SN_CONF_BOOL(struct image_opts, json, "json", .help = "One JSON object for each image."),
};
static const struct sn_conf_table images_table = SN_CONF_TABLE(struct image_opts, images_fields);

static void put_json(struct sn_buf *b, const struct sn_image *im)
{
    struct sn_jsonw w;
    char at[SN_RFC3339_MAX];
    size_t n = sn_time_rfc3339(im->pulled_ns, 0, at);
    sn_jsonw_init(&w, b, NULL);
    sn_jsonw_object(&w);
    sn_jsonw_kstr(&w, "id", im->id);
    sn_jsonw_key(&w, SN_STR("tags"));
    sn_jsonw_array(&w);
    for (size_t i = 0; i < im->n_tags; i++) sn_jsonw_str(&w, im->tags[i]);
    sn_jsonw_array_end(&w);
    sn_jsonw_key(&w, SN_STR("digests"));
    sn_jsonw_array(&w);
    for (size_t i = 0; i < im->n_digests; i++) sn_jsonw_str(&w, im->digests[i]);
    sn_jsonw_array_end(&w);
    sn_jsonw_kstr(&w, "manifest", im->manifest);
    sn_jsonw_kstr(&w, "os", im->config.os);
    sn_jsonw_kstr(&w, "architecture", im->config.architecture);
    sn_jsonw_ku64(&w, "size", im->size);
    sn_jsonw_ku64(&w, "layers", im->config.n_diff_ids);
    sn_jsonw_kstr(&w, "pulled", sn_str_of(at, n));
    sn_jsonw_object_end(&w);
    sn_buf_byte(b, '\n');
}

static void put_row(struct sn_buf *b, struct job *j, const struct sn_image *im, struct sn_str name)
{
    char at[SN_RFC3339_MAX];
    struct sn_buf size;
    char text[32];
    sn_buf_init_fixed(&size, text, sizeof(text));
    put_bytes(&size, im->size);
    sn_time_rfc3339(im->pulled_ns / SN_SEC * SN_SEC, 0, at);
    sn_buf_printf(b, "%-44.*s  %.*s  %10.*s  %.10s %.5s\n", SN_STR_ARG(name),
                  SN_STR_ARG(short_id(im->id, j->o->no_trunc)), SN_STR_ARG(sn_buf_view(&size)), at,
                  at + 11);
}

static int work_images(struct job *j)
{
    struct sn_image *list;
    size_t n;
    struct sn_buf b;
    int r = sn_image_list(j->st, j->a, &list, &n);
    if (r < 0) return r;
    sn_buf_init(&b, 0);
    if (!j->o->quiet && !j->o->json)
        sn_buf_printf(&b, "%-44s  %-*s  %10s  %s\n", "NAME", j->o->no_trunc ? 71 : 12, "ID", "SIZE",
                      "PULLED (UTC)");
    for (size_t i = 0; i < n; i++) {
        if (j->o->json) {
            put_json(&b, &list[i]);
        } else if (j->o->quiet) {
            sn_buf_printf(&b, "%.*s\n", SN_STR_ARG(list[i].id));
        } else {
            for (size_t k = 0; k < list[i].n_tags; k++)
                put_row(&b, j, &list[i], sn_image_ref_familiar(list[i].tags[k]));
            if (!list[i].n_tags) put_row(&b, j, &list[i], SN_STR("<none>"));
        }
    }
    if (b.len) b.len--; /* files_print ends the line */
    r = b.len || b.err < 0 ? files_print(&b) : 0;
    sn_buf_done(&b);
    return r;
}
static int run_images(const struct sn_cli_call *call) { return run(call, work_images); }

const struct sn_cli_command sn_cmd_images = {
    .name = "images",
    .brief = "list images",
    .table = &images_table,
    .run = run_images,
};

/* ---- rmi
 * ------------------------------------------------------------------------------------------------------
 */

static const struct sn_conf_field rmi_fields[] = {
    ROOT_FIELD,
    SN_CONF_BOOL(struct image_opts, all, "all-names", .letter = 'a',
                 .help = "Every name of the image, not only this one."),
};
static const struct sn_conf_table rmi_table = SN_CONF_TABLE(struct image_opts, rmi_fields);

static int work_rmi(struct job *j)
{
    for (size_t i = 0; i < j->call->n_args; i++) {
        bool gone;
        int r = sn_image_remove(j->st, j->call->args[i], j->o->all, &gone);
        if (r < 0) return r;
        printf("%s %.*s\n", gone ? "removed" : "untagged", SN_STR_ARG(j->call->args[i]));
    }
    return 0;
}
static int run_rmi(const struct sn_cli_call *call) { return run(call, work_rmi); }

const struct sn_cli_command sn_cmd_rmi = {
    .name = "rmi",
    .brief = "remove images",
    .usage = "IMAGE...",
    .about = "By a name: that name; by an id: every name. Layers that nothing needs go with the "
             "last one; those that a\n"
             "container stands on stay until it is gone.",
    .table = &rmi_table,
    .args_min = 1,
    .args_max = 1000,
    .run = run_rmi,
};

/* ---- load, save
 * --------------------------------------------------------------------------------------------------
 */

static const struct sn_conf_field load_fields[] = {
    ROOT_FIELD,
    SN_CONF_STRING(struct image_opts, name, "name", .letter = 'n', .metavar = "REFERENCE",
                   .help = "The name of an image that has none there."),
    SN_CONF_BOOL(struct image_opts, no_sync, "no-sync", .help = "Do not wait for the disk."),
    QUIET_FIELD("Print ids only."),
};
static const struct sn_conf_table load_table = SN_CONF_TABLE(struct image_opts, load_fields);

static int work_load(struct job *j)
{
    struct sn_image *list;
    size_t n;
    int r = sn_image_load(j->st, text_of(j->a, j->call->args[0]), j->o->name, j->a, &list, &n);
    for (size_t i = 0; r == 0 && i < n; i++)
        if (j->o->quiet)
            printf("%.*s\n", SN_STR_ARG(list[i].id));
        else
            printf("loaded %.*s  %.*s\n",
                   SN_STR_ARG(list[i].n_tags ? sn_image_ref_familiar(list[i].tags[0])
                                             : list[i].target),
                   SN_STR_ARG(short_id(list[i].id, false)));
    return r;
}
static int run_load(const struct sn_cli_call *call) { return run(call, work_load); }

const struct sn_cli_command sn_cmd_image_load = {
    .name = "load",
    .brief = "take images from an archive or a layout",
    .usage = "PATH",
    .about = "PATH is an OCI archive, an archive of `docker save` (either may be compressed), or a "
             "folder that is an OCI\nlayout.",
    .table = &load_table,
    .args_min = 1,
    .args_max = 1,
    .run = run_load,
};

static const struct sn_conf_field save_fields[] = {
    ROOT_FIELD,
    SN_CONF_STRING(struct image_opts, output, "output", .letter = 'o', .metavar = "FILE",
                   .help = "Where to; without it: standard output."),
};
static const struct sn_conf_table save_table = SN_CONF_TABLE(struct image_opts, save_fields);

static int work_save(struct job *j)
{
    if (!j->o->output.len) {
        if (isatty(1))
            return sn_fail(SN_E_INVALID_ARGUMENT,
                           "an archive is nothing for a terminal: say --output");
        return sn_image_save(j->st, j->call->args, j->call->n_args, 1);
    }
    struct files_out out;
    int r = files_open(&out, j->o->output);
    if (r < 0) return r;
    r = sn_image_save(j->st, j->call->args, j->call->n_args, out.fd);
    return files_commit(&out, r);
}
static int run_save(const struct sn_cli_call *call) { return run(call, work_save); }

const struct sn_cli_command sn_cmd_image_save = {
    .name = "save",
    .brief = "write images to an archive",
    .usage = "IMAGE...",
    .about = "An OCI archive, which `docker load` takes, too.",
    .table = &save_table,
    .args_min = 1,
    .args_max = 1000,
    .run = run_save,
};

/* ---- image prune, tag, mount, unmount
 * ------------------------------------------------------------------------------- */

static const struct sn_conf_field prune_fields[] = {
    ROOT_FIELD,
    SN_CONF_BOOL(struct image_opts, all, "all", .letter = 'a',
                 .help = "Also images without a tag that no container stands on."),
};
static const struct sn_conf_table prune_table = SN_CONF_TABLE(struct image_opts, prune_fields);
static const struct sn_conf_field root_fields[] = {ROOT_FIELD};
static const struct sn_conf_table root_table = SN_CONF_TABLE(struct image_opts, root_fields);
static const struct sn_conf_field mount_fields[] = {
    ROOT_FIELD,
    SN_CONF_BOOL(struct image_opts, read_only, "read-only",
                 .help = "The image itself, without a writable layer."),
};
static const struct sn_conf_table mount_table = SN_CONF_TABLE(struct image_opts, mount_fields);

static int work_prune(struct job *j)
{
    struct sn_image_gc_stats s;
    struct sn_buf b;
    int r =
        sn_image_gc(j->st, &(struct sn_image_gc_opts){.partials = true, .untagged = j->o->all}, &s);
    if (r < 0) return r;
    sn_buf_init(&b, 0);
    sn_buf_printf(&b, "removed %llu blobs, %llu layers, %llu broken downloads: ",
                  (unsigned long long)s.blobs, (unsigned long long)s.snapshots,
                  (unsigned long long)s.partials);
    put_bytes(&b, s.bytes);
    r = files_print(&b);
    sn_buf_done(&b);
    return r;
}
static int work_tag(struct job *j)
{
    return sn_image_tag(j->st, j->call->args[0], j->call->args[1]);
}
static int work_mount(struct job *j)
{
    struct sn_str at;
    int r = sn_image_mount(j->st, j->call->args[0], j->call->args[1],
                           &(struct sn_image_mount_opts){.read_only = j->o->read_only}, j->a, &at);
    if (r == 0) printf("%.*s\n", SN_STR_ARG(at));
    return r;
}
static int work_unmount(struct job *j) { return sn_image_unmount(j->st, j->call->args[0]); }

static int run_prune(const struct sn_cli_call *call) { return run(call, work_prune); }
static int run_tag(const struct sn_cli_call *call) { return run(call, work_tag); }
static int run_mount(const struct sn_cli_call *call) { return run(call, work_mount); }
static int run_unmount(const struct sn_cli_call *call) { return run(call, work_unmount); }

static const struct sn_cli_command cmd_prune = {.name = "prune",
                                                .brief = "remove what no image needs",
                                                .table = &prune_table,
                                                .run = run_prune};
static const struct sn_cli_command cmd_tag = {.name = "tag",
                                              .brief = "give an image one more name",
                                              .usage = "IMAGE NAME",
                                              .table = &root_table,
                                              .args_min = 2,
                                              .args_max = 2,
                                              .run = run_tag};
static const struct sn_cli_command cmd_mount = {
    .name = "mount",
    .brief = "an image's files, as a container has them",
    .usage = "IMAGE KEY",
    .about = "IMAGE may be `host`: this machine's root; what is written goes to memory.",
    .table = &mount_table,
    .args_min = 2,
    .args_max = 2,
    .run = run_mount};
static const struct sn_cli_command cmd_unmount = {
    .name = "unmount",
    .brief = "end a mount, and remove what was written to it",
    .usage = "KEY",
    .table = &root_table,
    .args_min = 1,
    .args_max = 1,
    .run = run_unmount};
static const struct sn_cli_command *const image_subs[] = {
    &sn_cmd_image_load, &sn_cmd_image_save, &cmd_prune, &cmd_tag, &cmd_mount, &cmd_unmount, NULL};

const struct sn_cli_command sn_cmd_image = {.name = "image",
                                            .brief = "load, save, name, mount and prune images",
                                            .subs = image_subs};
