module sennit.dev/bench/fiber

go 1.21
