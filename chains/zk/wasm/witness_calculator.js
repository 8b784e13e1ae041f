// SPDX-License-Identifier: Apache-2.0
// Runs a circuit's witness calculator: builder(bytes of CIRCUIT.wasm) gives an object with
// calculateWitness(input), calculateBinWitness(input) and calculateWTNSBin(input). Inputs are the members
// of an object: integers, strings, BigInts, arrays of them nested or flat, objects for buses.
const CODES = ["", "Signal not found", "Too many signals set", "Signal already set", "Assert Failed",
    "Not enough memory", "Input signal array access exceeds the size"];

// FNV-1a of 64 bits, as two halves.
function hashOf(name) {
    let h = 0xcbf29ce484222325n;
    for (const byte of new TextEncoder().encode(name)) h = BigInt.asUintN(64, (h ^ BigInt(byte)) * 0x100000001b3n);
    return [Number(h >> 32n), Number(h & 0xffffffffn)];
}

// [name, value] of every signal below a member: buses become "bus.field", elements of arrays of buses
// "bus[1].field".
function* signals(name, value) {
    const first = Array.isArray(value) ? value.flat(Infinity)[0] : value;
    const isBus = typeof first === "object" && first !== null;
    if (Array.isArray(value) && isBus) {
        for (const [i, v] of value.entries()) yield* signals(`${name}[${i}]`, v);
    } else if (isBus) {
        for (const [field, v] of Object.entries(value)) yield* signals(name ? `${name}.${field}` : field, v);
    } else {
        yield [name, Array.isArray(value) ? value.flat(Infinity) : [value]];
    }
}

class Calculator {
    constructor(instance, state) {
        const e = instance.exports;
        this.instance = instance;
        this.exports = e;
        this.state = state;
        this.version = e.getVersion();
        this.n32 = e.getFieldNumLen32();
        e.getRawPrime();
        this.prime = this.readShared();
        this.witnessSize = e.getWitnessSize();
    }
    circom_version() { return this.version; }

    readShared() {
        let v = 0n;
        for (let i = this.n32; i-- > 0;) v = v << 32n | BigInt(this.exports.readSharedRWMemory(i) >>> 0);
        return v;
    }
    writeShared(v) {
        for (let i = 0; i < this.n32; i++, v >>= 32n) this.exports.writeSharedRWMemory(i, Number(v & 0xffffffffn));
    }

    run(input, sanityCheck) {
        const e = this.exports;
        this.state.error = "";
        e.init(sanityCheck ? 1 : 0);
        let n = 0;
        for (const [name, values] of signals("", input)) {
            const [high, low] = hashOf(name), size = e.getInputSignalSize(high, low);
            if (size < 0) throw new Error(`Signal ${name} not found`);
            if (values.length !== size)
                throw new Error(`Signal ${name}: expected ${size} values, got ${values.length}`);
            for (const [i, given] of values.entries()) {
                const v = BigInt(given) % this.prime;
                this.writeShared(v < 0n ? v + this.prime : v);
                e.setInputSignal(high, low, i);
                n++;
            }
        }
        if (n < e.getInputSize())
            throw new Error(`Not all inputs have been set. Only ${n} out of ${e.getInputSize()}`);
    }

    async calculateWitness(input, sanityCheck) {
        const w = [];
        this.run(input, sanityCheck);
        for (let i = 0; i < this.witnessSize; i++) {
            this.exports.getWitness(i);
            w.push(this.readShared());
        }
        return w;
    }
    // The values one after the other, lowest byte first.
    async calculateBinWitness(input, sanityCheck) {
        this.run(input, sanityCheck);
        const out = new Uint8Array(4 * this.n32 * this.witnessSize);
        this.put(new DataView(out.buffer), 0);
        return out;
    }
    // A .wtns file, version 2: magic, sections of number, size and bytes.
    async calculateWTNSBin(input, sanityCheck) {
        this.run(input, sanityCheck);
        const n8 = 4 * this.n32, head = 12 + 12 + 4 + n8 + 4;
        const out = new Uint8Array(head + 12 + n8 * this.witnessSize), view = new DataView(out.buffer);
        const u32 = (at, ...vs) => vs.forEach((v, i) => view.setUint32(at + 4 * i, v, true));
        out.set(new TextEncoder().encode("wtns"));
        u32(4, 2, 2, 1, 8 + n8, 0, n8);
        for (let i = 0, p = this.prime; i < this.n32; i++, p >>= 32n) u32(28 + 4 * i, Number(p & 0xffffffffn));
        const size = BigInt(n8) * BigInt(this.witnessSize);
        u32(28 + n8, this.witnessSize, 2, Number(size & 0xffffffffn), Number(size >> 32n));
        this.put(view, head + 12);
        return out;
    }
    put(view, at) {
        for (let i = 0; i < this.witnessSize; i++) {
            this.exports.getWitness(i);
            for (let k = 0; k < this.n32; k++, at += 4)
                view.setUint32(at, this.exports.readSharedRWMemory(k), true);
        }
    }
}

module.exports = async function builder(code, options) {
    const state = { error: "", line: "" };
    let exports;
    const message = () => {
        const bytes = [];
        for (let c = exports.getMessageChar(); c !== 0; c = exports.getMessageChar()) bytes.push(c);
        return new TextDecoder().decode(Uint8Array.from(bytes));
    };
    const runtime = {
        exceptionHandler(code) { throw new Error((CODES[code] || "Unknown error") + (state.error && ": " + state.error)); },
        printErrorMessage() { state.error += message(); },
        writeBufferMessage() {
            const text = message();
            if (text !== "\n") {
                state.line += text;
                return;
            }
            console.log(state.line);
            state.line = "";
        },
        showSharedRWMemory() {},
    };
    const module = code instanceof WebAssembly.Module ? code : await WebAssembly.compile(code);
    const instance = await WebAssembly.instantiate(module, { runtime });
    exports = instance.exports;
    return new Calculator(instance, state);
};
