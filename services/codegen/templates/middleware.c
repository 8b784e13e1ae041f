/* Middleware {{Middleware}}: stands around the routes whose @server names it. */
#include "{{name}}.h"

int {{name}}_around_{{snake}}(struct sn_rest_call *call)
{
    return sn_rest_next(call);
}
