// SPDX-License-Identifier: Apache-2.0

// Docker's default seccomp profile for a container with the capabilities named, as JSON: as its daemon resolves it for the
// runtime on this machine and kernel.
package main

import (
	"encoding/json"
	"os"

	"github.com/moby/profiles/seccomp"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

func main() {
	caps := os.Args[1:]
	sp := &specs.Spec{Process: &specs.Process{Capabilities: &specs.LinuxCapabilities{Bounding: caps}}, Linux: &specs.Linux{}}
	p, err := seccomp.GetDefaultProfile(sp)
	if err != nil {
		panic(err)
	}
	json.NewEncoder(os.Stdout).Encode(p)
}
