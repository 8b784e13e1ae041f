// SPDX-License-Identifier: Apache-2.0
//! alloy's dynamic ABI over the corpus, as the C program bench_evm.
use alloy_dyn_abi::{DynSolType, DynSolValue, Specifier};
use alloy_json_abi::JsonAbi;
use cpu_time::ProcessTime;
use std::io::BufRead;

struct Row {
    ty: DynSolType,
    data: Vec<u8>,
    value: DynSolValue,
}

fn measure(what: &str, rows: &[Row], one: impl Fn(&Row)) {
    let (begin, mut total) = (ProcessTime::now(), 0usize);
    loop {
        for r in rows {
            one(r);
            total += r.data.len();
        }
        let s = begin.elapsed().as_secs_f64();
        if s >= 1.0 {
            println!("alloy {what} {:.1}", total as f64 / s / 1e6);
            return;
        }
    }
}

fn main() {
    let f = std::fs::File::open(std::env::args().nth(1).unwrap()).unwrap();
    let rows: Vec<Row> = std::io::BufReader::new(f)
        .lines()
        .map(|l| {
            let v: serde_json::Value = serde_json::from_str(&l.unwrap()).unwrap();
            let abi: JsonAbi = serde_json::from_str(v["abi"].as_str().unwrap()).unwrap();
            let out = &abi.function("test").unwrap()[0].outputs;
            let ty = DynSolType::Tuple(out.iter().map(|p| p.resolve().unwrap()).collect());
            let data = hex::decode(&v["data"].as_str().unwrap()[2..]).unwrap();
            let value = ty.abi_decode_params(&data).unwrap();
            assert_eq!(value.abi_encode_params(), data);
            Row { ty, data, value }
        })
        .collect();
    measure("decode", &rows, |r| {
        std::hint::black_box(r.ty.abi_decode_params(&r.data).unwrap());
    });
    measure("encode", &rows, |r| {
        std::hint::black_box(r.value.abi_encode_params());
    });
}
