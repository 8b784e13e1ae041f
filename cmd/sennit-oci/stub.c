#include "cmd.h"
#include "clusters/seccomp/seccomp.h"
int cmd_update(struct app *a, int c, char **v){return -1;}
int cmd_events(struct app *a, int c, char **v){return -1;}
int cmd_spec(struct app *a, int c, char **v){return -1;}
int cmd_features(struct app *a, int c, char **v){return -1;}
#if 0
int sn_seccomp_cached(struct sn_arena *a, int dir, const struct sn_json *seccomp, struct sn_seccomp_filter *ret, bool *ret_hit){return -1;}
int sn_seccomp_compile(struct sn_arena *a, const struct sn_json *seccomp, struct sn_seccomp_filter *ret){return -1;}
int sn_seccomp_load(const struct sn_seccomp_filter *f, int *ret_notify_fd){return -1;}
#endif
