// SPDX-License-Identifier: Apache-2.0
// The gas corpus: published contracts made concrete, nothing of their logic changed, and a few
// programs of the kinds that estimators find hard. Compiled by bench/gas.sh against npm packages.
pragma solidity ^0.8.24;

import "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import "@openzeppelin/contracts/token/ERC20/extensions/ERC20Burnable.sol";
import "@openzeppelin/contracts/token/ERC20/extensions/ERC20Capped.sol";
import "@openzeppelin/contracts/token/ERC20/extensions/ERC20Pausable.sol";
import "@openzeppelin/contracts/token/ERC20/extensions/ERC20Votes.sol";
import "@openzeppelin/contracts/token/ERC20/extensions/ERC20Wrapper.sol";
import "@openzeppelin/contracts/token/ERC20/extensions/ERC4626.sol";
import "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import "@openzeppelin/contracts/token/ERC721/extensions/ERC721Enumerable.sol";
import "@openzeppelin/contracts/token/ERC721/extensions/ERC721URIStorage.sol";
import "@openzeppelin/contracts/token/ERC1155/ERC1155.sol";
import "@openzeppelin/contracts/token/ERC1155/extensions/ERC1155Supply.sol";
import "@openzeppelin/contracts/access/AccessControl.sol";
import "@openzeppelin/contracts/access/Ownable2Step.sol";
import "@openzeppelin/contracts/access/extensions/AccessControlEnumerable.sol";
import "@openzeppelin/contracts/finance/VestingWallet.sol";
import "@openzeppelin/contracts/proxy/Clones.sol";
import "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";
import "@openzeppelin/contracts/utils/Multicall.sol";
import "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import "@openzeppelin/contracts/utils/structs/BitMaps.sol";
import "@openzeppelin/contracts/utils/structs/Checkpoints.sol";
import "@openzeppelin/contracts/utils/structs/DoubleEndedQueue.sol";
import "@openzeppelin/contracts/utils/structs/EnumerableMap.sol";
import "@openzeppelin/contracts/utils/structs/EnumerableSet.sol";
import "@openzeppelin/contracts/utils/structs/Heap.sol";
import {WETH as SolmateWETH} from "solmate/src/tokens/WETH.sol";
import {ERC20 as SolmateERC20} from "solmate/src/tokens/ERC20.sol";
import {ERC721 as SolmateERC721} from "solmate/src/tokens/ERC721.sol";
import {ERC20 as SoladyERC20} from "solady/src/tokens/ERC20.sol";
import {ERC721 as SoladyERC721} from "solady/src/tokens/ERC721.sol";
import {ERC1155 as SoladyERC1155} from "solady/src/tokens/ERC1155.sol";
import {WETH as SoladyWETH} from "solady/src/tokens/WETH.sol";
import {ERC721A} from "erc721a/contracts/ERC721A.sol";

contract C01Token is ERC20("A", "A") { function mint(address a, uint256 n) external { _mint(a, n); } }
contract C02Burnable is ERC20Burnable { constructor() ERC20("B", "B") {} function mint(address a, uint256 n) external { _mint(a, n); } }
contract C03Capped is ERC20Capped { constructor() ERC20("C", "C") ERC20Capped(1e30) {} function mint(address a, uint256 n) external { _mint(a, n); } }
contract C04Pausable is ERC20Pausable { constructor() ERC20("P", "P") {} function mint(address a, uint256 n) external { _mint(a, n); } function flip() external { if (paused()) _unpause(); else _pause(); } }
contract C05Votes is ERC20Votes { constructor() ERC20("V", "V") EIP712("V", "1") {} function mint(address a, uint256 n) external { _mint(a, n); } }
contract C06Wrapper is ERC20Wrapper { constructor(IERC20 t) ERC20("W", "W") ERC20Wrapper(t) {} }
contract C07Vault is ERC4626 { constructor(IERC20 t) ERC20("S", "S") ERC4626(t) {} }
contract C08Nft is ERC721("N", "N") { uint256 next; function mint(address a) external { _mint(a, ++next); } function last() external view returns (uint256) { return next; } }
contract C09NftEnumerable is ERC721Enumerable { constructor() ERC721("E", "E") {} function mint(address a) external { _mint(a, totalSupply() + 1); } }
contract C10NftUri is ERC721URIStorage { uint256 next; constructor() ERC721("U", "U") {} function mint(address a, string calldata u) external { _mint(a, ++next); _setTokenURI(next, u); } }
contract C11Multi is ERC1155("x") { function mint(address a, uint256 id, uint256 n) external { _mint(a, id, n, ""); } }
contract C12MultiSupply is ERC1155Supply { constructor() ERC1155("y") {} function mintBatch(address a, uint256[] calldata ids, uint256[] calldata ns) external { _mintBatch(a, ids, ns, ""); } }
contract C13Roles is AccessControl { constructor() { _grantRole(DEFAULT_ADMIN_ROLE, msg.sender); } }
contract C14RolesEnumerable is AccessControlEnumerable { constructor() { _grantRole(DEFAULT_ADMIN_ROLE, msg.sender); } }
contract C15Owned is Ownable2Step { uint256 public v; constructor() Ownable(msg.sender) {} function set(uint256 x) external onlyOwner { v = x; } }
contract C16Vesting is VestingWallet { constructor(address b, uint64 s, uint64 d) VestingWallet(b, s, d) payable {} }
contract C17Clones { address public impl; constructor(address i) { impl = i; } event Made(address); function make() external { emit Made(Clones.clone(impl)); } function make2(bytes32 s) external { emit Made(Clones.cloneDeterministic(impl, s)); } }
contract C18Logic { uint256 public a; mapping(address => uint256) public m; function add(uint256 n) external { a += n; m[msg.sender] += n; } }
contract C19Proxy is ERC1967Proxy { constructor(address l) ERC1967Proxy(l, abi.encodeCall(C18Logic.add, (1))) {} }
contract C20Batch is ERC20("M", "M"), Multicall { function mint(address a, uint256 n) external { _mint(a, n); } }
contract C21Bits { using BitMaps for BitMaps.BitMap; BitMaps.BitMap b; function set(uint256 i) external { b.set(i); } function clear(uint256 i) external { b.unset(i); } }
contract C22Trace { using Checkpoints for Checkpoints.Trace208; Checkpoints.Trace208 t; function push(uint208 v) external { t.push(uint48(block.number), v); } function find(uint48 k) external { last = t.upperLookup(k); } uint208 public last; }
contract C23Deque { using DoubleEndedQueue for DoubleEndedQueue.Bytes32Deque; DoubleEndedQueue.Bytes32Deque q; function push(bytes32 v) external { q.pushBack(v); } function pop() external { if (!q.empty()) q.popFront(); } }
contract C24Map { using EnumerableMap for EnumerableMap.UintToUintMap; EnumerableMap.UintToUintMap m; function set(uint256 k, uint256 v) external { m.set(k, v); } function remove(uint256 k) external { m.remove(k); } }
contract C25Set { using EnumerableSet for EnumerableSet.UintSet; EnumerableSet.UintSet s; function add(uint256 k) external { s.add(k); } function remove(uint256 k) external { s.remove(k); } }
contract C26Heap { using Heap for Heap.Uint256Heap; Heap.Uint256Heap h; function insert(uint256 v) external { h.insert(v); } function pop() external { if (h.length() > 0) h.pop(); } }
contract C27Weth is SolmateWETH {}
contract C28Solmate is SolmateERC20("S", "S", 18) { function mint(address a, uint256 n) external { _mint(a, n); } }
contract C29SolmateNft is SolmateERC721("T", "T") { uint256 n; function tokenURI(uint256) public pure override returns (string memory) { return ""; } function mint(address a) external { _mint(a, ++n); } }
// Hard on purpose: refunds at the cap, a loop over what others wrote, a book that others match, gas that is looked at.
contract C30Cleaner { mapping(uint256 => uint256) s; function fill(uint256 from, uint256 n) external { for (uint256 i = from; i < from + n; i++) s[i] = 1; } function clear(uint256 from, uint256 n) external { for (uint256 i = from; i < from + n; i++) delete s[i]; } }
contract C31Book { uint256[] bids; function bid(uint256 p) external { bids.push(p); } function fill(uint256 p) external { uint256 n = bids.length; uint256 k; for (uint256 i = 0; i < n && i < 40; i++) if (bids[i] >= p) k++; for (; k > 0 && bids.length > 0; k--) bids.pop(); } }
contract C32Metered { uint256 public n; function burn(uint256 least) external { while (gasleft() > least && n < 1e9) { unchecked { n++; } if (n % 64 == 0) break; } } }
contract C33Try { C18Logic l; uint256 public bad; constructor(C18Logic x) { l = x; } function go(uint256 v) external { try l.add(v) {} catch { bad++; } } }
contract C34SoladyToken is SoladyERC20 { function name() public pure override returns (string memory) { return "Y"; } function symbol() public pure override returns (string memory) { return "Y"; } function mint(address a, uint256 n) external { _mint(a, n); } }
contract C35SoladyNft is SoladyERC721 { uint256 n; function name() public pure override returns (string memory) { return "Z"; } function symbol() public pure override returns (string memory) { return "Z"; } function tokenURI(uint256) public pure override returns (string memory) { return ""; } function mint(address a) external { _mint(a, ++n); } }
contract C36SoladyMulti is SoladyERC1155 { function uri(uint256) public pure override returns (string memory) { return ""; } function mint(address a, uint256 id, uint256 n) external { _mint(a, id, n, ""); } }
contract C37SoladyWeth is SoladyWETH {}
contract C38NftA is ERC721A("Q", "Q") { function mint(uint256 n) external { _mint(msg.sender, n); } }
