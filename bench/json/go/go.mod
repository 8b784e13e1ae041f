module sennit/bench/json

go 1.21
