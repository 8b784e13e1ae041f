// SPDX-License-Identifier: Apache-2.0

package p2c

import (
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/balancer/base"
)

// BenchPicker gives the benchmark go-zero's own picker.
func BenchPicker(info base.PickerBuildInfo) balancer.Picker { return new(p2cPickerBuilder).Build(info) }
