// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

type Price is uint128;

/// A library whose functions take storage: its ABI shows none of them, and Kitchen links to it.
library Shelf {
    struct Store {
        mapping(uint256 => uint256) at;
        uint256 count;
    }

    function put(Store storage s, uint256 v) external returns (uint256) {
        s.at[s.count] = v;
        return ++s.count;
    }

    function twice(uint256 v) external pure returns (uint256) {
        return 2 * v;
    }
}

/// @title Everything an ABI can say
/// @notice For tests of generated packages. It says */ and """ and ` and \ to who quotes it.
contract Kitchen {
    using Shelf for Shelf.Store;

    enum Mood { Calm, Busy, Closed }

    struct Point {
        int64 x;
        int64 y;
    }
    struct Order {
        uint256 id;
        Price price;
        Mood mood;
        Point[] route;
        bytes note;
        string[2] type_;
        bool self;
    }

    event Ordered(uint256 indexed id, address indexed from, string indexed topic, Order order);
    event Ordered(uint256 id);
    event Silent(uint256 indexed a, bytes b) anonymous;
    event Routed(Point[] indexed route, Point at, bytes32 tag);
    event Called(function(uint256) external returns (uint256) indexed f);

    error Closed();
    error TooMuch(uint256 asked, uint256 max, Point at);
    error type_(string match_);

    uint256 public total;
    address public immutable owner;
    string public greeting;
    Shelf.Store shelf;

    /// @param greeting_ What it says first.
    constructor(string memory greeting_, Point memory at) payable {
        require(at.x >= 0, "negative");
        owner = msg.sender;
        greeting = greeting_;
    }

    receive() external payable {}

    fallback(bytes calldata data) external payable returns (bytes memory) {
        return data;
    }

    /// @notice Takes an order and says so.
    /// @dev The event has the order.
    /// @param order What is wanted.
    /// @return id Its number.
    /// @return mood How it went.
    function take(Order calldata order) external payable returns (uint256 id, Mood mood) {
        if (order.mood == Mood.Closed) revert Closed();
        if (order.id > 1000) revert TooMuch(order.id, 1000, Point(1, -2));
        total += order.id;
        emit Ordered(order.id, msg.sender, order.type_[0], order);
        emit Ordered(order.id);
        return (order.id, Mood.Busy);
    }

    function echo(Order calldata order) external pure returns (Order memory) {
        return order;
    }

    function grid(uint16[3][] calldata rows, bytes32[][2] calldata tags)
        external
        pure
        returns (uint16[3][] memory, bytes32[][2] memory)
    {
        return (rows, tags);
    }

    function numbers(uint8 a, int8 b, uint48 c, int48 d, uint64 e, int64 f, uint128 g, int256 h)
        external
        pure
        returns (uint8, int8, uint48, int48, uint64, int64, uint128, int256)
    {
        return (a, b, c, d, e, f, g, h);
    }

    function pass(function(uint256) external returns (uint256) f)
        external
        returns (function(uint256) external returns (uint256))
    {
        emit Called(f);
        return f;
    }

    function silent(uint256 a, bytes calldata b) external {
        emit Silent(a, b);
    }

    function routed(Point[] calldata route) external {
        emit Routed(route, route[0], bytes32("tag"));
    }

    function stock(uint256 v) external returns (uint256) {
        return shelf.put(v);
    }

    function price(Price p) external pure returns (Price) {
        return p;
    }

    // Overloads.
    function find(uint256 id) external pure returns (string memory) {
        return id == 0 ? "zero" : "number";
    }

    function find(address who) external pure returns (string memory) {
        return who == address(0) ? "nobody" : "address";
    }

    function find(uint256 id, bool strict) external pure returns (string memory) {
        return strict && id == 0 ? "strict" : "loose";
    }

    function find() external pure returns (string memory) {
        return "nothing";
    }

    // Names that some language keeps for itself, and ones that fall together in another case.
    function match_(uint256 self, uint256 type_, uint256 lambda) external pure returns (uint256) {
        return self + type_ + lambda;
    }

    function del(uint256 func, uint256 register, uint256 await) external pure returns (uint256) {
        return func + register + await;
    }

    function delete_() external pure returns (bool) {
        return true;
    }

    function defer(uint256 fn, uint256 def, uint256 in_) external pure returns (uint256) {
        return fn + def + in_;
    }

    function fooBar() external pure returns (uint256) {
        return 1;
    }

    function foo_bar() external pure returns (uint256) {
        return 2;
    }

    function FOO_BAR() external pure returns (uint256) {
        return 3;
    }

    function address_(address client, address data) external pure returns (address) {
        return client == address(0) ? data : client;
    }

    function encode(uint256 call, uint256 options) external pure returns (uint256) {
        return call + options;
    }

    // Reverts.
    function fail(uint256 how) external pure {
        if (how == 0) revert("because");
        if (how == 1) revert Closed();
        if (how == 2) revert TooMuch(7, 5, Point(3, 4));
        if (how == 3) revert type_("m");
        if (how == 4) assert(false);
        if (how == 5) assembly { revert(0, 0) }
        if (how == 6) assembly { mstore(0, 0xdeadbeef00000000000000000000000000000000000000000000000000000000) revert(0, 3) }
    }
}
