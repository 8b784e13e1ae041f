// SPDX-License-Identifier: Apache-2.0
// The Node side of tests/interop/govern.sh: jose. peer.mjs MODULES sign ALG KEYFILE KID | verify JWKS <TOKEN
import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';
const [modules, verb, ...args] = process.argv.slice(2);
const jose = await import(createRequire(path.join(modules, 'x.js')).resolve('jose'));
if (verb === 'sign') {
  const [alg, file, kid] = args;
  const key = alg.startsWith('HS') ? fs.readFileSync(file) : await jose.importPKCS8(fs.readFileSync(file, 'utf8'), alg);
  console.log(await new jose.SignJWT({ sub: 'alice' }).setProtectedHeader({ alg, kid, typ: 'JWT' }).setIssuer('issuer')
    .setAudience(['us']).setIssuedAt().setExpirationTime('5m').sign(key));
} else {
  const set = JSON.parse(fs.readFileSync(args[0], 'utf8')), token = fs.readFileSync(0, 'utf8').trim();
  const { kid, alg } = jose.decodeProtectedHeader(token);
  const key = await jose.importJWK(set.keys.find((k) => k.kid === kid), alg);
  const { payload, protectedHeader } = await jose.jwtVerify(token, key, { issuer: 'issuer', audience: 'us' });
  console.log(protectedHeader.alg, payload.sub);
}
