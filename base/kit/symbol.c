/* SPDX-License-Identifier: Apache-2.0 */
/* kit/symbol.c - libdw on our own process. libdw is not thread-safe and its state is expensive, so
 * one session is kept and a lock serialises its users. A thread lock, not a fiber's: callers are on
 * the blocking pool.
 *
 * libdw is loaded by the first who wants a name, and stays: with the four libraries it brings it
 * would be a thirtieth of an idle node's memory. Where it is missing nothing has a name. */
#include "kit/symbol.h"

#include <dlfcn.h>
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PROC_LINE_MAX 2048 /* longer paths are cut, their mapping goes unnamed */

#define LIBRARY "libdw.so.1"
/* Their types are the headers'. */
#define FUNCTIONS(X)            \
    X(dwarf_attr_integrate)     \
    X(dwarf_diename)            \
    X(dwarf_filesrc)            \
    X(dwarf_formudata)          \
    X(dwarf_getscopes)          \
    X(dwarf_getsrcfiles)        \
    X(dwarf_tag)                \
    X(dwfl_addrmodule)          \
    X(dwfl_begin)               \
    X(dwfl_end)                 \
    X(dwfl_lineinfo)            \
    X(dwfl_linux_proc_find_elf) \
    X(dwfl_linux_proc_report)   \
    X(dwfl_module_addrdie)      \
    X(dwfl_module_addrinfo)     \
    X(dwfl_module_build_id)     \
    X(dwfl_module_getelf)       \
    X(dwfl_module_getsrc)       \
    X(dwfl_report_begin_add)    \
    X(dwfl_report_end)
static struct {
#define X(name) __typeof__(name) *name;
    FUNCTIONS(X)
#undef X
} dw;
static enum { DW_UNKNOWN, DW_THERE, DW_MISSING } dw_state;

static bool load(void)
{
    if (dw_state != DW_UNKNOWN) return dw_state == DW_THERE;
    void *lib = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    dw_state = lib ? DW_THERE : DW_MISSING;
#define X(name) \
    if (lib && !(*(void **)&dw.name = dlsym(lib, #name))) dw_state = DW_MISSING;
    FUNCTIONS(X)
#undef X
    return dw_state == DW_THERE;
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static Dwfl *session;

/* Never look for separate debug files: libdw's own finder may ask a debuginfod server. */
static int no_debuginfo(Dwfl_Module *mod, void **userdata, const char *modname, Dwarf_Addr base,
                        const char *file, const char *link, GElf_Word crc, char **ret_name)
{
    (void)mod, (void)userdata, (void)modname, (void)base, (void)file, (void)link, (void)crc;
    (void)ret_name;
    return -1;
}
static int own_elf(Dwfl_Module *mod, void **userdata, const char *name, Dwarf_Addr base,
                   char **file_name, Elf **elfp)
{
    return dw.dwfl_linux_proc_find_elf(mod, userdata, name, base, file_name, elfp);
}
static const Dwfl_Callbacks callbacks = {.find_elf = own_elf, .find_debuginfo = no_debuginfo};

static bool open_session(void)
{
    if (session) return true;
    if (!load()) return false;
    Dwfl *d = dw.dwfl_begin(&callbacks);
    if (!d) return false;
    if (dw.dwfl_linux_proc_report(d, getpid()) != 0 || dw.dwfl_report_end(d, NULL, NULL) != 0) {
        dw.dwfl_end(d);
        return false;
    }
    session = d;
    return true;
}
/* Libraries loaded since: report again; modules that are still there keep their state. */
static Dwfl_Module *module_of(uintptr_t pc)
{
    Dwfl_Module *m = dw.dwfl_addrmodule(session, pc);
    if (m) return m;
    dw.dwfl_report_begin_add(session);
    if (dw.dwfl_linux_proc_report(session, getpid()) != 0) return NULL;
    dw.dwfl_report_end(session, NULL, NULL);
    return dw.dwfl_addrmodule(session, pc);
}

static int attr_number(Dwarf_Die *die, unsigned name)
{
    Dwarf_Attribute a;
    Dwarf_Word v;
    return dw.dwarf_attr_integrate(die, name, &a) && dw.dwarf_formudata(&a, &v) == 0 ? (int)v : 0;
}
static const char *call_file(Dwarf_Die *cu, Dwarf_Die *die)
{
    Dwarf_Files *files;
    size_t n;
    int i = attr_number(die, DW_AT_call_file);
    if (dw.dwarf_getsrcfiles(cu, &files, &n) != 0 || i < 0 || (size_t)i >= n) return NULL;
    return dw.dwarf_filesrc(files, (size_t)i, NULL, NULL);
}

/* Names the functions around `pc`, innermost first; what was inlined says where it was called. */
static void walk_scopes(Dwfl_Module *m, uintptr_t pc, struct sn_symbol *s)
{
    Dwarf_Addr bias;
    Dwarf_Die *cu = dw.dwfl_module_addrdie(m, pc, &bias), *scopes = NULL;
    if (!cu) return;
    int n = dw.dwarf_getscopes(cu, pc - bias, &scopes);
    for (int i = 0; i < n && s->n_frames <= SN_SYMBOL_INLINES_MAX; i++) {
        int tag = dw.dwarf_tag(&scopes[i]);
        if (tag != DW_TAG_subprogram && tag != DW_TAG_inlined_subroutine) continue;
        struct sn_symbol_frame *f = &s->frames[s->n_frames - 1];
        f->function = sn_str(dw.dwarf_diename(&scopes[i]));
        f->start_line = attr_number(&scopes[i], DW_AT_decl_line);
        if (tag == DW_TAG_subprogram || s->n_frames == SN_SYMBOL_INLINES_MAX) break;
        s->frames[s->n_frames++] = (struct sn_symbol_frame){
            .file = sn_str(call_file(cu, &scopes[i])),
            .line = attr_number(&scopes[i], DW_AT_call_line),
        };
    }
    free(scopes); /* banned: libdw allocated it */
}

static int at(uintptr_t pc, struct sn_symbol *s)
{
    GElf_Off off = 0;
    GElf_Sym sym;
    int line = 0;
    if (!open_session()) return SN_E_NOT_FOUND;
    Dwfl_Module *m = module_of(pc);
    if (!m) return SN_E_NOT_FOUND;
    const char *name = dw.dwfl_module_addrinfo(m, pc, &off, &sym, NULL, NULL, NULL);
    Dwfl_Line *l = dw.dwfl_module_getsrc(m, pc);
    memset(s, 0, sizeof *s);
    s->n_frames = 1;
    s->offset = name ? off : 0;
    s->frames[0].file = sn_str(l ? dw.dwfl_lineinfo(l, NULL, &line, NULL, NULL, NULL) : NULL);
    s->frames[0].line = line;
    walk_scopes(m, pc, s);
    struct sn_symbol_frame *outer = &s->frames[s->n_frames - 1];
    if (!outer->function.ptr) outer->function = sn_str(name);
    return outer->function.ptr ? 0 : SN_E_NOT_FOUND;
}
int sn_symbol_at(uintptr_t pc, struct sn_symbol *ret)
{
    pthread_mutex_lock(&lock);
    struct sn_symbol s;
    int r = at(pc, &s);
    pthread_mutex_unlock(&lock);
    if (r == 0) *ret = s;
    return r;
}

static void build_id(uintptr_t addr, char out[SN_SYMBOL_BUILD_ID_MAX])
{
    const unsigned char *bits;
    GElf_Addr vaddr;
    Dwfl_Module *m = open_session() ? module_of(addr) : NULL;
    Elf *elf;
    GElf_Addr bias;
    int n = 0;
    out[0] = 0;
    /* The module's ELF file has to be opened before its id is known. */
    if (m && (elf = dw.dwfl_module_getelf(m, &bias)) != NULL)
        n = dw.dwfl_module_build_id(m, &bits, &vaddr);
    for (int i = 0; i < n && 2 * i + 2 < SN_SYMBOL_BUILD_ID_MAX; i++)
        snprintf(out + 2 * i, 3, "%02x", bits[i]);
}
/* "FROM-TO PERMS OFFSET DEV INODE   PATH": executable mappings of files only. */
static bool maps_line(char *line, struct sn_symbol_module *m)
{
    char *p;
    size_t n = strcspn(line, "\n");
    const char *path = memchr(line, '/', n);
    m->start = strtoul(line, &p, 16);
    if (*p != '-' || !path) return false;
    m->end = strtoul(p + 1, &p, 16);
    if (strlen(p) < 6 || p[3] != 'x') return false;
    m->file_offset = strtoul(p + 6, NULL, 16);
    m->path = sn_str_of(path, (size_t)(line + n - path));
    return true;
}
int sn_symbol_modules(void (*fn)(const struct sn_symbol_module *m, void *arg), void *arg)
{
    char line[PROC_LINE_MAX];
    FILE *f = fopen("/proc/self/maps", "re");
    if (!f) return SN_E_UNAVAILABLE;
    pthread_mutex_lock(&lock);
    while (fgets(line, sizeof line, f)) {
        struct sn_symbol_module m;
        if (!maps_line(line, &m)) continue;
        build_id(m.start, m.build_id);
        fn(&m, arg);
    }
    pthread_mutex_unlock(&lock);
    fclose(f);
    return 0;
}

void sn_symbol_close(void)
{
    pthread_mutex_lock(&lock);
    if (session) dw.dwfl_end(session);
    session = NULL;
    pthread_mutex_unlock(&lock);
}
