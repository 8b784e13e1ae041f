// SPDX-License-Identifier: Apache-2.0
//! What every module of this package shares: the codec's traits for records, calls, events and
//! errors, each written once as a macro over the fields.

pub use alloy::contract::{CallBuilder, Error, Event, RawCallBuilder, Result, SolCallBuilder};
pub use alloy::network::{Ethereum, Network};
pub use alloy::primitives::{
    Address, B256, Bytes, FixedBytes, Function, I256, LogData, Signed, U256, Uint, b256, keccak256,
};
pub use alloy::providers::Provider;
pub use alloy::sol_types::abi::token::WordToken;
pub use alloy::sol_types::private::SolTypeValue;
pub use alloy::sol_types::{
    self, EventTopic, Panic, Revert, SolCall, SolError, SolEvent, SolType, sol_data,
};
pub use std::marker::PhantomData;

/// Creation code with the addresses of its libraries in place of their placeholders.
///
/// # Panics
/// Where a library is missing: the caller passes one address for each placeholder.
pub fn link(code: &str, libraries: &[(&str, Address)]) -> Vec<u8> {
    let mut linked = String::from(code);
    for (placeholder, at) in libraries {
        linked = linked.replace(placeholder, &alloy::hex::encode(at));
    }
    alloy::hex::decode(&linked).expect("every placeholder of the generated code is given")
}

/// What a contract refused with: its own errors and those that every contract has.
pub fn builtin_error(data: &[u8]) -> Option<BuiltinError> {
    match data.get(..4)? {
        s if s == Revert::SELECTOR => Revert::abi_decode(data).ok().map(BuiltinError::Revert),
        s if s == Panic::SELECTOR => Panic::abi_decode(data).ok().map(BuiltinError::Panic),
        _ => None,
    }
}
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum BuiltinError {
    /// `require(false, reason)`
    Revert(Revert),
    /// `assert(false)`, an overflow, an index out of bounds and the like.
    Panic(Panic),
}

macro_rules! sol_record {
    ($(#[$meta:meta])* $name:ident, $sol:literal, { $($field:ident: $rust:ty => $ty:ty),* }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub struct $name {
            $(pub $field: $rust,)*
        }
        impl $crate::runtime::SolType for $name {
            type RustType = Self;
            type Token<'a> = <($($ty,)*) as $crate::runtime::SolType>::Token<'a>;
            const SOL_NAME: &'static str = $sol;
            const ENCODED_SIZE: Option<usize> = <($($ty,)*) as $crate::runtime::SolType>::ENCODED_SIZE;
            const PACKED_ENCODED_SIZE: Option<usize> =
                <($($ty,)*) as $crate::runtime::SolType>::PACKED_ENCODED_SIZE;
            fn valid_token(token: &Self::Token<'_>) -> bool {
                <($($ty,)*) as $crate::runtime::SolType>::valid_token(token)
            }
            fn detokenize(token: Self::Token<'_>) -> Self {
                let ($($field,)*) = <($($ty,)*) as $crate::runtime::SolType>::detokenize(token);
                Self { $($field),* }
            }
        }
        impl $crate::runtime::SolTypeValue<Self> for $name {
            fn stv_to_tokens(&self) -> <Self as $crate::runtime::SolType>::Token<'_> {
                ($(<$ty as $crate::runtime::SolType>::tokenize(&self.$field),)*)
            }
            fn stv_abi_encoded_size(&self) -> usize {
                if let Some(size) = <Self as $crate::runtime::SolType>::ENCODED_SIZE {
                    return size;
                }
                // A dynamic tuple stands behind an offset of its own.
                32 $(+ <$ty as $crate::runtime::SolType>::abi_encoded_size(&self.$field))*
            }
            fn stv_abi_packed_encoded_size(&self) -> usize {
                0 $(+ <$ty as $crate::runtime::SolType>::abi_packed_encoded_size(&self.$field))*
            }
            fn stv_abi_encode_packed_to(&self, out: &mut Vec<u8>) {
                $(<$ty as $crate::runtime::SolType>::abi_encode_packed_to(&self.$field, out);)*
            }
            fn stv_eip712_data_word(&self) -> $crate::runtime::sol_types::Word {
                let mut words = Vec::new();
                $(words.extend_from_slice(
                    <$ty as $crate::runtime::SolType>::eip712_data_word(&self.$field).as_slice(),
                );)*
                $crate::runtime::keccak256(words)
            }
        }
    };
}
pub(crate) use sol_record;

macro_rules! sol_call {
    (@returns one $ret:ty) => {
        type Return = <$ret as $crate::runtime::SolType>::RustType;
        type ReturnTuple<'a> = ($ret,);
        type ReturnToken<'a> = <($ret,) as $crate::runtime::SolType>::Token<'a>;
        fn tokenize_returns(ret: &Self::Return) -> Self::ReturnToken<'_> {
            (<$ret as $crate::runtime::SolType>::tokenize(ret),)
        }
        fn abi_decode_returns(data: &[u8]) -> $crate::runtime::sol_types::Result<Self::Return> {
            <($ret,) as $crate::runtime::SolType>::abi_decode_sequence_validate(data).map(|(ret,)| ret)
        }
    };
    (@returns many $($ret:ty),*) => {
        type Return = <($($ret,)*) as $crate::runtime::SolType>::RustType;
        type ReturnTuple<'a> = ($($ret,)*);
        type ReturnToken<'a> = <($($ret,)*) as $crate::runtime::SolType>::Token<'a>;
        fn tokenize_returns(ret: &Self::Return) -> Self::ReturnToken<'_> {
            <($($ret,)*) as $crate::runtime::SolType>::tokenize(ret)
        }
        fn abi_decode_returns(data: &[u8]) -> $crate::runtime::sol_types::Result<Self::Return> {
            <($($ret,)*) as $crate::runtime::SolType>::abi_decode_sequence_validate(data)
        }
    };
    ($(#[$meta:meta])* $name:ident, $sig:literal, $selector:expr,
     { $($field:ident: $rust:ty => $ty:ty),* }, $($ret:tt)*) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub struct $name {
            $(pub $field: $rust,)*
        }
        impl $crate::runtime::SolCall for $name {
            type Parameters<'a> = ($($ty,)*);
            type Token<'a> = <($($ty,)*) as $crate::runtime::SolType>::Token<'a>;
            const SIGNATURE: &'static str = $sig;
            const SELECTOR: [u8; 4] = $selector;
            fn new(($($field,)*): <Self::Parameters<'_> as $crate::runtime::SolType>::RustType) -> Self {
                Self { $($field),* }
            }
            fn tokenize(&self) -> Self::Token<'_> {
                ($(<$ty as $crate::runtime::SolType>::tokenize(&self.$field),)*)
            }
            sol_call!(@returns $($ret)*);
        }
    };
}
pub(crate) use sol_call;

macro_rules! sol_error {
    ($(#[$meta:meta])* $name:ident, $sig:literal, $selector:expr,
     { $($field:ident: $rust:ty => $ty:ty),* }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub struct $name {
            $(pub $field: $rust,)*
        }
        impl $crate::runtime::SolError for $name {
            type Parameters<'a> = ($($ty,)*);
            type Token<'a> = <($($ty,)*) as $crate::runtime::SolType>::Token<'a>;
            const SIGNATURE: &'static str = $sig;
            const SELECTOR: [u8; 4] = $selector;
            fn new(($($field,)*): <Self::Parameters<'_> as $crate::runtime::SolType>::RustType) -> Self {
                Self { $($field),* }
            }
            fn tokenize(&self) -> Self::Token<'_> {
                ($(<$ty as $crate::runtime::SolType>::tokenize(&self.$field),)*)
            }
        }
    };
}
pub(crate) use sol_error;

macro_rules! sol_event {
    (@topics named $hash:expr, $($topic:ident => $tty:ty),*) => {
        type TopicList = ($crate::runtime::sol_data::FixedBytes<32>, $($tty,)*);
        const SIGNATURE_HASH: $crate::runtime::B256 = $hash;
        const ANONYMOUS: bool = false;
        fn check_signature(
            topics: &<Self::TopicList as $crate::runtime::SolType>::RustType,
        ) -> $crate::runtime::sol_types::Result<()> {
            if topics.0 != Self::SIGNATURE_HASH {
                return Err($crate::runtime::sol_types::Error::invalid_event_signature_hash(
                    Self::SIGNATURE,
                    topics.0,
                    Self::SIGNATURE_HASH,
                ));
            }
            Ok(())
        }
        fn topics(&self) -> <Self::TopicList as $crate::runtime::SolType>::RustType {
            (Self::SIGNATURE_HASH, $(self.$topic.clone(),)*)
        }
    };
    (@topics anonymous $hash:expr, $($topic:ident => $tty:ty),*) => {
        type TopicList = ($($tty,)*);
        const SIGNATURE_HASH: $crate::runtime::B256 = $hash;
        const ANONYMOUS: bool = true;
        fn topics(&self) -> <Self::TopicList as $crate::runtime::SolType>::RustType {
            ($(self.$topic.clone(),)*)
        }
    };
    (@unpack named $topics:ident $($topic:ident),*) => {
        let (_, $($topic,)*) = $topics;
    };
    (@unpack anonymous $topics:ident $($topic:ident),*) => {
        let ($($topic,)*) = $topics;
    };
    ($(#[$meta:meta])* $name:ident, $kind:ident, $sig:literal, $hash:expr,
     { $($field:ident: $rust:ty),* },
     [$($topic:ident => $tty:ty),*], [$($datum:ident => $dty:ty),*]) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub struct $name {
            $(pub $field: $rust,)*
        }
        impl $crate::runtime::SolEvent for $name {
            type DataTuple<'a> = ($($dty,)*);
            type DataToken<'a> = <($($dty,)*) as $crate::runtime::SolType>::Token<'a>;
            const SIGNATURE: &'static str = $sig;
            sol_event!(@topics $kind $hash, $($topic => $tty),*);
            fn new(
                topics: <Self::TopicList as $crate::runtime::SolType>::RustType,
                ($($datum,)*): <Self::DataTuple<'_> as $crate::runtime::SolType>::RustType,
            ) -> Self {
                sol_event!(@unpack $kind topics $($topic),*);
                Self { $($field),* }
            }
            fn tokenize_body(&self) -> Self::DataToken<'_> {
                ($(<$dty as $crate::runtime::SolType>::tokenize(&self.$datum),)*)
            }
            fn encode_topics_raw(&self, out: &mut [$crate::runtime::WordToken]) -> $crate::runtime::sol_types::Result<()> {
                let mut words = Vec::with_capacity(4);
                if !Self::ANONYMOUS {
                    words.push($crate::runtime::WordToken(Self::SIGNATURE_HASH));
                }
                $(words.push(<$tty as $crate::runtime::EventTopic>::encode_topic(&self.$topic));)*
                let target = out.get_mut(..words.len()).ok_or($crate::runtime::sol_types::Error::Overrun)?;
                target.copy_from_slice(&words);
                Ok(())
            }
        }
        impl From<$name> for $crate::runtime::LogData {
            fn from(event: $name) -> Self {
                $crate::runtime::SolEvent::encode_log_data(&event)
            }
        }
    };
}
pub(crate) use sol_event;
