// SPDX-License-Identifier: Apache-2.0
// Remakes Token.json from Token.sol: `npm install --no-save solc@0.8.37`, then `node compile.mjs`. With --check it
// only compares. Another place for the compiler: SOLC=/path/to/node_modules/solc/index.js.
import { createRequire } from 'node:module';
import { readFileSync, writeFileSync } from 'node:fs';
const here = (name) => new URL(name, import.meta.url);
const solc = createRequire(import.meta.url)(process.env.SOLC ?? 'solc');
const input = {
  language: 'Solidity',
  sources: { 'Token.sol': { content: readFileSync(here('Token.sol'), 'utf8') } },
  settings: {
    optimizer: { enabled: true, runs: 200 },
    metadata: { bytecodeHash: 'none' },
    outputSelection: { '*': { '*': ['abi', 'devdoc', 'userdoc', 'evm.bytecode.object'] } },
  },
};
const result = JSON.parse(solc.compile(JSON.stringify(input)));
for (const e of result.errors ?? []) console.error(e.formattedMessage);
if (result.errors?.length) process.exit(1);
delete result.sources;
const text = JSON.stringify(result, null, 1) + '\n';
if (!process.argv.includes('--check')) writeFileSync(here('Token.json'), text);
else if (readFileSync(here('Token.json'), 'utf8') !== text) {
  console.error('Token.json is not what Token.sol compiles to');
  process.exit(1);
}
