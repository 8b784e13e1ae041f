// SPDX-License-Identifier: Apache-2.0

// containerd's default seccomp profile for a container with Docker's usual capabilities, as JSON.
package main

import (
	"encoding/json"
	"os"

	"github.com/containerd/containerd/v2/contrib/seccomp"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

func main() {
	caps := []string{"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_KILL", "CAP_NET_RAW", "CAP_SETGID", "CAP_SETUID"}
	sp := &specs.Spec{Process: &specs.Process{Capabilities: &specs.LinuxCapabilities{Bounding: caps}}}
	json.NewEncoder(os.Stdout).Encode(seccomp.DefaultProfile(sp))
}
