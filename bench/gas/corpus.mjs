// SPDX-License-Identifier: Apache-2.0
// The corpus of bench/gas.sh: which contracts are deployed and which kinds of calls are drawn. Another
// module of this shape can take its place (GAS_CORPUS=FILE): one function that deploys with the tools
// it is given and returns the kinds, functions that draw a call.

const ether = '0xde0b6b3a7640000'
const v2core = '@uniswap/v2-core/build/', v2 = '@uniswap/v2-periphery/build/'
const v3 = (p, n) => `@uniswap/v3-${p}/artifacts/contracts/${n}.sol/${n.split('/').pop()}.json`
const safe = (d, n) => `@safe-global/safe-contracts/build/artifacts/contracts/${d}${n}.sol/${n}.json`
const aave = n => `@aave/core-v3/artifacts/contracts/protocol/configuration/${n}.sol/${n}.json`
const deadline = 2n ** 40n

/** Contracts of corpus.sol: published logic made concrete. */
async function deployOwn(k, built) {
  const at = k.at
  for (const name of Object.keys(built).filter(n => /^C\d\d/.test(n))) {
    const args = {
      C06Wrapper: () => [at('C01Token')], C07Vault: () => [at('C01Token')], C17Clones: () => [at('C15Owned')],
      C19Proxy: () => [at('C18Logic')], C33Try: () => [at('C18Logic')],
    }[name]?.() ?? (name === 'C16Vesting' ? [k.accounts[1], await k.now(), 100000] : [])
    await k.deploy(name, built[name], args, name === 'C16Vesting' ? ether : '0x0')
  }
}

/** Money and permissions that the calls need. */
async function fund(k) {
  const { tx, send, at, accounts } = k, plenty = 10n ** 18n
  for (const a of accounts) {
    for (const t of ['C01Token', 'C02Burnable', 'C03Capped', 'C04Pausable', 'C05Votes', 'C20Batch', 'C28Solmate', 'C34SoladyToken'])
      await send(tx(a, t, 'mint', [a, plenty]))
    for (const to of ['C06Wrapper', 'C07Vault']) await send(tx(a, 'C01Token', 'approve', [at(to), 10n ** 30n]))
    await send(tx(a, 'C06Wrapper', 'depositFor', [a, 10n ** 9n]))
    await send(tx(a, 'C07Vault', 'deposit', [10n ** 9n, a]))
    for (const w of ['C27Weth', 'C37SoladyWeth']) await send(tx(a, w, 'deposit', [], ether))
    for (const m of ['C11Multi', 'C36SoladyMulti']) await send(tx(a, m, 'mint', [a, 1, 1000000]))
    for (const t of ['C01Token', 'C28Solmate'])
      for (const to of ['Router2', 'Router3', 'Positions']) await send(tx(a, t, 'approve', [at(to), 10n ** 30n]))
  }
}

/** Uniswap v2 and v3, Safe, Aave's registries: their published bytecode. */
async function deployPublished(k) {
  const { deploy, artifact, accounts, at, tx, send, view, name } = k
  await deploy('Weth9', artifact(v2 + 'WETH9.json'))
  await deploy('Factory2', artifact(v2core + 'UniswapV2Factory.json'), [accounts[0]])
  await deploy('Router2', artifact(v2 + 'UniswapV2Router02.json'), [at('Factory2'), at('Weth9')])
  await deploy('Factory3', artifact(v3('core', 'UniswapV3Factory')))
  await deploy('Router3', artifact(v3('periphery', 'SwapRouter')), [at('Factory3'), at('Weth9')])
  await deploy('Positions', artifact(v3('periphery', 'NonfungiblePositionManager')), [at('Factory3'), at('Weth9'), accounts[7]])
  await deploy('SafeSingleton', artifact(safe('', 'Safe')))
  await deploy('SafeFactory', artifact(safe('proxies/', 'SafeProxyFactory')))
  await deploy('Addresses', artifact(aave('PoolAddressesProvider')), ['m', accounts[0]])
  await send(tx(accounts[0], 'Addresses', 'setACLAdmin', [accounts[0]]))
  await deploy('Acl', artifact(aave('ACLManager')), [at('Addresses')])

  const setup = k.encode('SafeSingleton', 'setup', [accounts.slice(0, 2), 1, k.zero, '0x', k.zero, k.zero, 0, k.zero])
  name('Safe', await view('SafeFactory', 'createProxyWithNonce', [at('SafeSingleton'), setup, 1]), artifact(safe('', 'Safe')))
  await send(tx(accounts[0], 'SafeFactory', 'createProxyWithNonce', [at('SafeSingleton'), setup, 1]))
  await send(tx(accounts[0], 'C01Token', 'transfer', [at('Safe'), 10n ** 12n]))
  return setup
}
async function pools(k) {
  const { tx, send, at, accounts, view, name, artifact } = k, [a] = accounts
  await send(tx(a, 'Factory2', 'createPair', [at('C01Token'), at('C28Solmate')]))
  name('Pair2', await view('Factory2', 'getPair', [at('C01Token'), at('C28Solmate')]), artifact(v2core + 'UniswapV2Pair.json'))
  for (const t of ['C01Token', 'C28Solmate']) await send(tx(a, t, 'transfer', [at('Pair2'), 10n ** 15n]))
  await send(tx(a, 'Pair2', 'mint', [a]))
  const tokens = [at('C01Token'), at('C28Solmate')].sort((x, y) => (BigInt(x) < BigInt(y) ? -1 : 1))
  await send(tx(a, 'Positions', 'createAndInitializePoolIfNecessary', [...tokens, 3000, 2n ** 96n]))
  const position = (from, width, n) => tx(from, 'Positions', 'mint', [[...tokens, 3000, -width, width, n, n, 0, 0, from, deadline]])
  for (const who of accounts) await send(position(who, 6000, 10n ** 13n))
  return { tokens, position }
}

/** The mix: every kind of call is drawn equally often. */
function kindsOf(k, setup, { tokens, position }) {
  const { tx, at, accounts, below, pick, random } = k
  const A = () => pick(accounts), n = () => 1 + below(1000), admin = accounts[0], role = k.id('R')
  const swap3 = (from, i) => tx(from, 'Router3', 'exactInputSingle', [[tokens[i], tokens[1 - i], 3000, from, deadline, 1000 * n(), 0, 0]])
  const inSafe = (from, call) => tx(from, 'Safe', 'execTransaction', [call.to, 0, call.data, 0, 0, 0, 0, k.zero, k.zero,
    '0x' + from.slice(2).padStart(64, '0') + '0'.repeat(64) + '01'])
  return [
    () => ({ name: 'ether', from: A(), to: below(2) ? A() : random.address(), data: '0x', value: '0x1' }),
    ...['C01Token', 'C02Burnable', 'C03Capped', 'C05Votes', 'C28Solmate', 'C34SoladyToken']
      .map(t => () => tx(A(), t, 'transfer', [below(3) ? A() : random.address(), n()])),
    () => tx(A(), 'C01Token', 'approve', [A(), n()]),
    () => tx(A(), 'C02Burnable', 'burn', [n()]),
    () => tx(A(), 'C03Capped', 'mint', [A(), n()]),
    () => tx(A(), 'C04Pausable', 'mint', [A(), n()]),
    () => tx(A(), 'C05Votes', 'delegate', [A()]),
    () => tx(A(), 'C06Wrapper', 'depositFor', [A(), n()]),
    () => tx(A(), 'C06Wrapper', 'withdrawTo', [A(), 1]),
    () => tx(A(), 'C07Vault', 'deposit', [n(), A()]),
    () => { const a = A(); return tx(a, 'C07Vault', 'redeem', [1, A(), a]) },
    () => tx(A(), 'C08Nft', 'mint', [A()]),
    () => tx(A(), 'C09NftEnumerable', 'mint', [A()]),
    () => tx(A(), 'C10NftUri', 'mint', [A(), 'ipfs://' + 'x'.repeat(below(60))]),
    () => tx(A(), 'C11Multi', 'mint', [A(), below(20), n()]),
    () => { const a = A(); return tx(a, 'C11Multi', 'safeTransferFrom', [a, A(), 1, 1, '0x']) },
    () => tx(A(), 'C12MultiSupply', 'mintBatch', [A(), [below(30), 30 + below(30)], [n(), n()]]),
    () => tx(admin, 'C13Roles', 'grantRole', [role, A()]),
    () => tx(admin, 'C14RolesEnumerable', 'grantRole', [role, A()]),
    () => tx(admin, 'C14RolesEnumerable', 'revokeRole', [role, A()]),
    () => tx(admin, 'C15Owned', 'set', [below(3)]),
    () => tx(admin, 'C15Owned', 'transferOwnership', [A()]),
    () => tx(A(), 'C16Vesting', 'release()'),
    () => tx(A(), 'C17Clones', 'make'),
    () => tx(A(), 'C17Clones', 'make2', [random.word()]),
    () => tx(A(), 'C18Logic', 'add', [n()]),
    () => ({ ...tx(A(), 'C18Logic', 'add', [n()]), name: 'C19Proxy.add', to: at('C19Proxy') }),
    () => tx(A(), 'C20Batch', 'multicall', [Array.from({ length: 1 + below(4) }, () => k.encode('C20Batch', 'transfer', [A(), n()]))]),
    () => tx(A(), 'C21Bits', 'set', [below(2000)]),
    () => tx(A(), 'C21Bits', 'clear', [below(2000)]),
    () => tx(A(), 'C22Trace', 'push', [n()]),
    () => tx(A(), 'C22Trace', 'find', [below(1000)]),
    () => tx(A(), 'C23Deque', 'push', [k.id(String(n()))]),
    () => tx(A(), 'C23Deque', 'pop'),
    () => tx(A(), 'C24Map', 'set', [below(40), n()]),
    () => tx(A(), 'C24Map', 'remove', [below(40)]),
    () => tx(A(), 'C25Set', 'add', [below(40)]),
    () => tx(A(), 'C25Set', 'remove', [below(40)]),
    () => tx(A(), 'C26Heap', 'insert', [n()]),
    () => tx(A(), 'C26Heap', 'pop'),
    ...['C27Weth', 'C37SoladyWeth'].flatMap(w => [() => tx(A(), w, 'deposit', [], '0x10'), () => tx(A(), w, 'withdraw', [1 + below(10)])]),
    () => tx(A(), 'C29SolmateNft', 'mint', [A()]),
    () => tx(A(), 'C30Cleaner', 'fill', [below(100), 1 + below(10)]),
    () => tx(A(), 'C30Cleaner', 'clear', [below(100), 1 + below(10)]),
    () => tx(A(), 'C31Book', 'bid', [n()]),
    () => tx(A(), 'C31Book', 'fill', [900 + below(100)]),
    () => tx(A(), 'C32Metered', 'burn', [30000 + below(1000)]),
    () => tx(A(), 'C33Try', 'go', [n()]),
    () => tx(A(), 'C35SoladyNft', 'mint', [A()]),
    () => tx(A(), 'C36SoladyMulti', 'mint', [A(), below(20), n()]),
    () => tx(A(), 'C38NftA', 'mint', [1 + below(5)]),
    () => tx(A(), 'Pair2', 'sync'),
    () => tx(A(), 'Pair2', 'skim', [A()]),
    () => tx(admin, 'Pair2', 'transfer', [A(), 1]),
    () => { const a = A(), p = [at('C01Token'), at('C28Solmate')]; return tx(a, 'Router2', 'swapExactTokensForTokens', [1000 * n(), 0, below(2) ? p : p.reverse(), a, deadline]) },
    () => { const a = A(); return tx(a, 'Router2', 'addLiquidity', [at('C01Token'), at('C28Solmate'), 1000 * n(), 1000 * n(), 0, 0, a, deadline]) },
    () => swap3(A(), below(2)),
    () => position(A(), 60 * (1 + below(50)), 100000 * n()),
    () => tx(A(), 'Positions', 'increaseLiquidity', [[1 + below(8), 1000 * n(), 1000 * n(), 0, 0, deadline]]),
    () => { const i = below(8); return tx(accounts[i], 'Positions', 'collect', [[i + 1, accounts[i], 2n ** 127n, 2n ** 127n]]) },
    () => inSafe(accounts[below(2)], { to: at('C01Token'), data: k.encode('C01Token', 'transfer', [below(2) ? A() : random.address(), n()]) }),
    () => tx(A(), 'SafeFactory', 'createProxyWithNonce', [at('SafeSingleton'), setup, 2 + below(1 << 30)]),
    () => tx(admin, 'Addresses', 'setAddress', [k.id(String(below(8))), A()]),
    () => tx(admin, 'Acl', 'addRiskAdmin', [A()]),
  ]
}

export async function corpus(k) {
  await deployOwn(k, k.compile(new URL('corpus.sol', import.meta.url)))
  const setup = await deployPublished(k)
  await fund(k)
  return kindsOf(k, setup, await pools(k))
}
