// SPDX-License-Identifier: Apache-2.0
// compile.mjs SOLC_MODULE OUT FILE.sol... - the compiler's standard output as OUT/NAME.json.
import { createRequire } from 'node:module';
import { readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
const [solcPath, out, ...files] = process.argv.slice(2);
const solc = createRequire(import.meta.url)(solcPath);
const sources = Object.fromEntries(files.map((f) => [basename(f), { content: readFileSync(f, 'utf8') }]));
const input = {
  language: 'Solidity',
  sources,
  settings: {
    optimizer: { enabled: true, runs: 200 },
    outputSelection: { '*': { '*': ['abi', 'devdoc', 'userdoc', 'evm.bytecode.object',
      'evm.bytecode.linkReferences', 'evm.methodIdentifiers'] } },
  },
};
const result = JSON.parse(solc.compile(JSON.stringify(input)));
const errors = (result.errors ?? []).filter((e) => e.severity === 'error');
if (errors.length) {
  for (const e of errors) console.error(e.formattedMessage);
  process.exit(1);
}
writeFileSync(join(out, 'contracts.json'), JSON.stringify(result));
