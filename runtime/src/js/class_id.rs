//! The numbers of native classes in the engine, one list of all.
//!
//! Owns: that no two classes have one number: the compiler refuses a second [`Of`] for an id. Must not
//! know: any class; who has an id says so beside its class.

mod listed {
    /// Only what the list below makes has it: no id can be invented, and no number taken twice.
    pub trait Listed {}
}

/// The id of a native class.
pub trait Id: listed::Listed {
    /// Its number in the engine.
    const NUMBER: u32;
}

/// Which class has an id: an id is a type, and a trait is implemented for a type once.
pub trait Of: Id {
    /// The one class that has it.
    type Class;
}

macro_rules! ids {
    ($first:ident $($name:ident)*) => {
        /// Above those of the engine's own classes, one after the other: it keeps arrays by number.
        #[repr(u32)]
        enum Number {
            $first = 100,
            $($name,)*
        }
        ids!(@types $first $($name)*);
    };
    (@types $($name:ident)*) => {
        $(
            #[doc = concat!("The id of ", stringify!($name), ".")]
            pub enum $name {}
            impl listed::Listed for $name {}
            impl Id for $name {
                const NUMBER: u32 = Number::$name as u32;
            }
        )*
    };
}

ids! {
    Headers HeadersIterator Response Request ExecutionContext TcpConnection
    Url SearchParams SearchParamsIterator UrlPattern
    TextEncoder TextDecoder
    Performance Crypto SubtleCrypto CryptoKey Navigator
    PortHold TimerHold BroadcastChannel
    Blob WebFile FormData FormDataIterator
    StreamSource StreamSink StreamCollector StreamDrain StreamPassage StreamCoder StreamFastPath StreamIterator
    StdFile Worker
    SharedMap SocketHandle EventStream EventHistory
    ServerWebSocket
    DatagramSender DatagramSocket DatagramContext ScheduledEvent ScheduledContext
    Callable PolledTarget Trace AnswerSlot
}
