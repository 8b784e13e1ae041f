// SPDX-License-Identifier: Apache-2.0
// Computes a witness: node generate_witness.js CIRCUIT.wasm INPUT.json WITNESS.wtns
const fs = require("fs");
const builder = require("./witness_calculator.js");

async function main(wasm, input, output) {
    const calculator = await builder(fs.readFileSync(wasm));
    const witness = await calculator.calculateWTNSBin(JSON.parse(fs.readFileSync(input, "utf8")), 0);
    fs.writeFileSync(output, witness);
}

if (process.argv.length !== 5) {
    console.error("usage: node generate_witness.js CIRCUIT.wasm INPUT.json WITNESS.wtns");
    process.exit(2);
}
main(...process.argv.slice(2)).catch((e) => {
    console.error(e.message);
    process.exit(1);
});
