/* SPDX-License-Identifier: Apache-2.0 */
/* clusters/oci/checkpoint.h - containers to disk and back, by criu.
 *
 * criu is a program of its own, run as `criu swrk` and spoken to by one packet socket (protobuf).
 * What is the container's and what the host's is decided here: bind mounts, masked files and cgroup
 * mounts are named as external by their place in the container, namespaces joined by path stay the
 * host's, the three standard streams are remembered by what they were (descriptors.json beside the
 * images, as runc and its callers have it). Networks are not carried: interfaces and addresses are
 * whoever's who made the namespace.
 *
 * Synchronous like container.h; the restored process is a child of the calling process.
 * Sources: criu's rpc.proto (numbers); runc's and crun's options and file names. */
#pragma once
#include "clusters/oci/container.h"

#define SN_OCI_CRIU_MESSAGE_MAX 131072 /* bytes of one answer of criu's */

enum sn_oci_criu_cgroups {
    SN_OCI_CRIU_CGROUPS_DEFAULT, /* criu's own choice: soft */
    SN_OCI_CRIU_CGROUPS_SOFT,
    SN_OCI_CRIU_CGROUPS_FULL,
    SN_OCI_CRIU_CGROUPS_STRICT,
    SN_OCI_CRIU_CGROUPS_IGNORE,
};

/* Paths may be relative to the working directory. The zero value with `images` works. */
struct sn_oci_criu_opts {
    const char *criu;   /* the program; NULL: "criu" by PATH */
    const char *images; /* folder of the images, made (0700) where missing by checkpoint */
    const char *work;   /* folder of logs and statistics; NULL: the images' */
    enum sn_oci_criu_cgroups cgroups;
    bool tcp_established;    /* open TCP connections are carried over */
    bool tcp_skip_in_flight; /* those that are being made are dropped */
    bool ext_unix_sk;        /* sockets whose other end is outside */
    bool shell_job;          /* a terminal that is not the container's own */
    bool file_locks;
    bool link_remap; /* files without a name get one for the time */
    bool auto_dedup;
    bool lazy_pages;  /* memory is fetched when it is touched */
    int status_fd;    /* gets a zero byte when the page server of lazy_pages listens; 0: none */
    unsigned empty_ns; /* CLONE_NEWNET: the namespace's contents are not restored. Always set. */
    /* checkpoint */
    bool leave_running;
    bool pre_dump;           /* memory only, the container goes on; another run completes it */
    const char *parent;      /* folder of a pre-dump, relative to `images` */
    const char *page_server; /* host of a criu page-server that gets the memory, with its port */
    uint16_t page_server_port;
    /* restore */
    const char *lsm_profile, *lsm_mount_context;
};

/* sn_oci_checkpoint - writes the container's processes to o->images. Unless leave_running or
 * pre_dump they have ended then; the container is still to be deleted. Created and stopped ones are
 * refused; a paused one is paused again where it goes on.
 * Returns 0; SN_E_FAILED_PRECONDITION ("Container cannot be checkpointed in created state");
 * SN_E_NOT_FOUND (criu is not installed); SN_E_UNIMPLEMENTED (criu or the kernel lack what is asked
 * for); SN_E_ABORTED (criu refused; the text has its first error and where its log is);
 * SN_E_IO, SN_E_NOMEM. Context: as container.h; blocks while criu works. */
int sn_oci_checkpoint(struct sn_oci_container *c, const struct sn_oci_criu_opts *o) SN_MUST_CHECK;

/* sn_oci_restore - a container from images and the bundle it was made of. create: as for
 * sn_oci_create; console_socket or ret_console get the master end of its terminal; no_pivot,
 * preserve_fds and listen_fds do not apply. It is running when this returns; hooks prestart and
 * createRuntime have run. A time namespace comes with it: its clocks go on where they stood.
 * Returns as sn_oci_create and sn_oci_checkpoint; on failure nothing is left. */
int sn_oci_restore(const struct sn_oci_host *h, const struct sn_oci_create_opts *create,
                   const struct sn_oci_criu_opts *o, struct sn_oci_container **ret) SN_MUST_CHECK;
