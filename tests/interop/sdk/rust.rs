// SPDX-License-Identifier: Apache-2.0
//! The scenario of tests/interop/sdk.sh, in Rust.
use alloy::network::EthereumWallet;
use alloy::primitives::{Address, B256, Bytes, Function, I256, Signed, U256, Uint, hex, keccak256};
use alloy::providers::ProviderBuilder;
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::SolCall;
use kitchen::kitchen::*;
use kitchen::runtime::{BuiltinError, Ethereum, RawCallBuilder};
use kitchen::{gas, shelf};

fn order(id: u64, mood: u8) -> Order {
    Order {
        id: U256::from(id),
        price: 5,
        mood,
        route: vec![Point { x: 1, y: -2 }, Point { x: 3, y: 4 }],
        note: Bytes::from_static(&[1, 2, 3]),
        type_: ["soup".into(), "ünïcode".into()],
        self_: true,
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().collect();
    let signer: PrivateKeySigner = args[3].parse()?;
    let account = signer.address();
    let provider =
        ProviderBuilder::new().wallet(EthereumWallet::from(signer)).connect_http(args[1].parse()?);
    let n = U256::from::<u64>;
    let mut f = [0x11u8; 24];
    f[20..].copy_from_slice(&hex!("a1b2c3d4"));
    let f = Function::from(f);
    let two = Address::repeat_byte(0x22);
    let rows = vec![[1u16, 2, 3], [4, 5, 65535]];
    let tags = [vec![B256::repeat_byte(0xab)], vec![]];
    let c: Uint<48, 1> = Uint::MAX;
    let d: Signed<48, 1> = Signed::MIN;
    let x = |b: Vec<u8>| format!("0x{}", hex::encode(b));
    println!("encode take {}", x(TakeCall { order: order(7, 1) }.abi_encode()));
    println!("encode grid {}", x(GridCall { rows: rows.clone(), tags: tags.clone() }.abi_encode()));
    let numbers = NumbersCall {
        a: 255,
        b: -128,
        c,
        d,
        e: u64::MAX,
        f: i64::MIN,
        g: u128::MAX,
        h: I256::MINUS_ONE,
    };
    println!("encode numbers {}", x(numbers.abi_encode()));
    println!("encode pass {}", x(PassCall { f }.abi_encode()));
    println!(
        "encode find {} {} {} {}",
        x(FindCall {}.abi_encode()),
        x(FindUint256Call { id: n(1) }.abi_encode()),
        x(FindAddressCall { who: two }.abi_encode()),
        x(FindUint256BoolCall { id: n(1), strict: true }.abi_encode())
    );
    println!(
        "selectors {} {} {} {}",
        x(shelf::PUT_SELECTOR.to_vec()),
        x(FooBar90c0414dCall::SELECTOR.to_vec()),
        x(FooBarCall::SELECTOR.to_vec()),
        x(FooBar70015845Call::SELECTOR.to_vec())
    );

    let shelf_at = shelf::deploy(provider.clone()).await?.address();
    let point = Point { x: 1, y: -2 };
    let k = deploy(provider.clone(), Libraries { shelf: shelf_at }, "hi".into(), point).await?;
    println!("greeting {}", k.greeting().call().await?);
    println!("echo {}", k.echo(order(9, 2)).call().await? == order(9, 2));
    let v = k.numbers(255, -128, c, d, u64::MAX, i64::MIN, u128::MAX, I256::MINUS_ONE).call().await?;
    println!("numbers {} {} {} {} {} {} {} {}", v.0, v.1, v.2, v.3, v.4, v.5, v.6, v.7);
    println!("grid {}", format!("{:?}", k.grid(rows, tags).call().await?.0).replace(' ', ""));
    println!(
        "find {} {} {} {}",
        k.find().call().await?,
        k.find_uint256(n(0)).call().await?,
        k.find_address(two).call().await?,
        k.find_uint256_bool(n(0), true).call().await?
    );
    println!(
        "names {} {} {} {}",
        k.match_(n(1), n(2), n(3)).call().await?,
        k.foo_bar_90c0414d().call().await?,
        k.foo_bar().call().await?,
        k.foo_bar_70015845().call().await?
    );
    let sim = k.take(order(7, 1)).call().await?;
    println!("simulate take {} {}", sim.0, sim.1);

    let (pending, report) = gas::send(k.take(order(7, 1)).value(n(3))).await?;
    let receipt = pending.get_receipt().await?;
    let predicted = report.method == gas::Method::Simulate
        && (report.interval.0..=report.interval.1).contains(&receipt.gas_used);
    println!(
        "take {} gas {}",
        if receipt.status() { "success" } else { "failed" },
        if predicted { "as predicted" } else { "other" }
    );
    println!("total {}", k.total().call().await?);
    let full = k.ordered_address_string_order_filter().from_block(0).topic1(n(7)).topic2(account.into_word());
    for (e, _) in full.topic3(keccak256("soup")).query().await? {
        println!(
            "event Ordered {} {} {} {} {}",
            e.id,
            e.from == account,
            e.topic == keccak256("soup"),
            e.order.note,
            e.order.route[1].y
        );
    }
    let ids: Vec<_> = k.ordered_filter().from_block(0).query().await?.iter().map(|(e, _)| e.id.to_string()).collect();
    let none = k.ordered_address_string_order_filter().from_block(0).topic1(vec![B256::from(n(8)), B256::from(n(9))]).query().await?;
    println!("events {} {}", ids.join(","), none.len());
    k.silent(n(5), hex!("beef").into()).send().await?.get_receipt().await?;
    // An anonymous event has no topic of its own: its first indexed value is the first topic.
    for (e, _) in k.silent_filter().from_block(0).event_signature(B256::from(n(5))).query().await? {
        println!("silent {} {}", e.a, e.b);
    }
    k.routed(vec![Point { x: 1, y: 2 }]).send().await?.get_receipt().await?;
    for (e, _) in k.routed_filter().from_block(0).query().await? {
        println!("routed {} {}", e.route, e.at.y);
    }
    println!("pass 0x{}", hex::encode(k.pass(f).call().await?));
    k.pass(f).send().await?.get_receipt().await?;
    println!("called {}", k.called_filter().from_block(0).query().await?.len());
    println!("stock {}", k.stock(n(4)).call().await?);

    for how in 0..7 {
        let Err(e) = k.fail(n(how)).call().await else { continue };
        match Errors::of(&e) {
            Some(Errors::Builtin(BuiltinError::Revert(r))) => println!("fail {how} Error {}", r.reason),
            Some(Errors::Builtin(BuiltinError::Panic(p))) => println!("fail {how} Panic {}", p.code),
            Some(Errors::Closed(_)) => println!("fail {how} Closed"),
            Some(Errors::TooMuch(t)) => println!("fail {how} TooMuch {} {} {}", t.asked, t.max, t.at.y),
            Some(Errors::Type(t)) => println!("fail {how} type_ {}", t.match_),
            None => println!("fail {how} unknown {}", e.as_revert_data().unwrap_or_default()),
        }
    }
    match gas::send(k.take(order(2000, 0))).await.map_err(|e| Errors::of(&e)) {
        Err(Some(Errors::TooMuch(t))) => println!("refused {}", t.asked),
        _ => println!("refused other"),
    }
    if Kitchen::new(Address::repeat_byte(0x33), provider).total().call().await.is_err() {
        println!("empty error");
    }
    gas_checks(&args[4], &args[5]).await
}

/// The gas check against the node of gas.json.
async fn gas_checks(file: &str, url: &str) -> Result<(), Box<dyn std::error::Error>> {
    let cases: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(file)?)?;
    for c in cases.as_array().expect("a list") {
        let (name, data) = (c["name"].as_str().unwrap_or(""), c["data"].as_str().unwrap_or(""));
        let provider = ProviderBuilder::new().connect_http(format!("{url}/rust/{name}").parse()?);
        let call = RawCallBuilder::<_, Ethereum>::new_raw(provider, data.parse()?)
            .from(Address::repeat_byte(0x01))
            .to(Address::repeat_byte(0xaa));
        let g = gas::check_after(&call, c["drift"].as_u64().unwrap_or(0)).await?;
        println!(
            "gas {name} {} {} {} {} {} {}",
            g.limit,
            g.used,
            g.interval.0,
            g.interval.1,
            format!("{:?}", g.method).to_lowercase(),
            if g.steady { "steady" } else { "moves" }
        );
    }
    Ok(())
}
