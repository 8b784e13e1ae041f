// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

/// @title A token with a cap, as small as one can be and still be useful
/// @notice Balances of whole and fractional tokens, transferable by their owners and by those whom they allow.
contract Token {
    string public constant name = "Sennit Turn";
    string public constant symbol = "TURN";
    uint8 public constant decimals = 18;
    /// @notice The most that may ever exist, in the smallest unit.
    uint256 public constant cap = 1_000_000 ether;

    uint256 public totalSupply;
    address public immutable minter;
    mapping(address owner => uint256) public balanceOf;
    mapping(address owner => mapping(address spender => uint256)) public allowance;

    /// @notice Tokens changed hands; from the zero address they are new.
    event Transfer(address indexed from, address indexed to, uint256 value);
    /// @notice An owner allowed a spender an amount.
    event Approval(address indexed owner, address indexed spender, uint256 value);

    /// @notice The owner has less than what is to be moved.
    error NotEnough(address owner, uint256 balance, uint256 asked);
    /// @notice The spender is allowed less than what is to be moved.
    error NotAllowed(address owner, address spender, uint256 allowed, uint256 asked);
    /// @notice More would exist than the cap allows.
    error OverCap(uint256 asked, uint256 left);
    error OnlyMinter();
    error NoRecipient();

    /// @param supply What the deployer gets at once, in the smallest unit.
    constructor(uint256 supply) {
        minter = msg.sender;
        _mint(msg.sender, supply);
    }

    /// @notice Moves tokens of the caller.
    /// @param to Who gets them.
    /// @param value How many, in the smallest unit.
    /// @return Always true: what cannot be done reverts.
    function transfer(address to, uint256 value) external returns (bool) {
        _move(msg.sender, to, value);
        return true;
    }

    /// @notice Moves tokens of an owner who allowed it.
    /// @param owner Whose tokens.
    /// @param to Who gets them.
    /// @param value How many, in the smallest unit.
    /// @return Always true: what cannot be done reverts.
    function transferFrom(address owner, address to, uint256 value) external returns (bool) {
        uint256 allowed = allowance[owner][msg.sender];
        if (allowed < value) revert NotAllowed(owner, msg.sender, allowed, value);
        if (allowed != type(uint256).max) allowance[owner][msg.sender] = allowed - value;
        _move(owner, to, value);
        return true;
    }

    /// @notice Allows a spender an amount, in place of what was allowed before.
    /// @param spender Who may move them.
    /// @param value How many, in the smallest unit; the largest number is without end.
    /// @return Always true.
    function approve(address spender, uint256 value) external returns (bool) {
        allowance[msg.sender][spender] = value;
        emit Approval(msg.sender, spender, value);
        return true;
    }

    /// @notice Makes new tokens; for the minter alone.
    /// @param to Who gets them.
    /// @param value How many, in the smallest unit.
    function mint(address to, uint256 value) external {
        if (msg.sender != minter) revert OnlyMinter();
        _mint(to, value);
    }

    function _mint(address to, uint256 value) private {
        if (to == address(0)) revert NoRecipient();
        if (value > cap - totalSupply) revert OverCap(value, cap - totalSupply);
        totalSupply += value;
        unchecked {
            balanceOf[to] += value;
        }
        emit Transfer(address(0), to, value);
    }

    function _move(address owner, address to, uint256 value) private {
        if (to == address(0)) revert NoRecipient();
        uint256 balance = balanceOf[owner];
        if (balance < value) revert NotEnough(owner, balance, value);
        unchecked {
            balanceOf[owner] = balance - value;
            balanceOf[to] += value;
        }
        emit Transfer(owner, to, value);
    }
}
