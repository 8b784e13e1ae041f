module bench_evm

go 1.24

require github.com/ethereum/go-ethereum v1.16.7
