/*
 * The constants that `os` exports: numbers of their C names. Options of sockets whose value holds
 * addresses of memory exist, and are ENOPROTOOPT.
 */

// socket(2), listen(2), shutdown(2).
export const AF_UNSPEC: number, AF_INET: number, AF_INET6: number, AF_UNIX: number, SOCK_STREAM: number;
export const SOCK_DGRAM: number, SOCK_RAW: number, SOCK_SEQPACKET: number, SOCK_NONBLOCK: number;
export const SOCK_BLOCK: number, SOL_SOCKET: number, SHUT_RD: number, SHUT_WR: number, SHUT_RDWR: number;
export const SOMAXCONN: number;

// Levels of setsockopt(2), protocols of socket(2).
export const IPPROTO_ICMP: number, IPPROTO_ICMPV6: number, IPPROTO_IP: number, IPPROTO_IPV6: number;
export const IPPROTO_RAW: number, IPPROTO_TCP: number, IPPROTO_UDP: number;

// getaddrinfo(3): flags, and the numbers of its failures, which are negative.
export const AI_NUMERICHOST: number, AI_NUMERICSERV: number, AI_PASSIVE: number, EAI_AGAIN: number;
export const EAI_BADFLAGS: number, EAI_FAIL: number, EAI_FAMILY: number, EAI_MEMORY: number;
export const EAI_NODATA: number, EAI_NONAME: number, EAI_OVERFLOW: number, EAI_SERVICE: number;
export const EAI_SOCKTYPE: number, EAI_SYSTEM: number;

// socket(7).
export const SO_ACCEPTCONN: number, SO_ATTACH_BPF: number, SO_ATTACH_FILTER: number;
export const SO_ATTACH_REUSEPORT_CBPF: number, SO_ATTACH_REUSEPORT_EBPF: number, SO_BINDTODEVICE: number;
export const SO_BROADCAST: number, SO_BSDCOMPAT: number, SO_BUSY_POLL: number, SO_DEBUG: number;
export const SO_DETACH_FILTER: number, SO_DOMAIN: number, SO_DONTROUTE: number, SO_ERROR: number;
export const SO_INCOMING_CPU: number, SO_INCOMING_NAPI_ID: number, SO_KEEPALIVE: number;
export const SO_LINGER: number, SO_LOCK_FILTER: number, SO_MARK: number, SO_NO_CHECK: number;
export const SO_OOBINLINE: number, SO_PASSCRED: number, SO_PASSSEC: number, SO_PEEK_OFF: number;
export const SO_PEERCRED: number, SO_PEERSEC: number, SO_PRIORITY: number, SO_PROTOCOL: number;
export const SO_RCVBUF: number, SO_RCVBUFFORCE: number, SO_RCVLOWAT: number, SO_RCVTIMEO: number;
export const SO_REUSEADDR: number, SO_REUSEPORT: number, SO_RXQ_OVFL: number, SO_SELECT_ERR_QUEUE: number;
export const SO_SNDBUF: number, SO_SNDBUFFORCE: number, SO_SNDLOWAT: number, SO_SNDTIMEO: number;
export const SO_TIMESTAMP: number, SO_TIMESTAMPNS: number, SO_TYPE: number, SO_ZEROCOPY: number;

// tcp(7).
export const TCP_CONGESTION: number, TCP_CORK: number, TCP_DEFER_ACCEPT: number, TCP_FASTOPEN: number;
export const TCP_FASTOPEN_CONNECT: number, TCP_INFO: number, TCP_KEEPCNT: number, TCP_KEEPIDLE: number;
export const TCP_KEEPINTVL: number, TCP_LINGER2: number, TCP_MAXSEG: number, TCP_NODELAY: number;
export const TCP_NOTSENT_LOWAT: number, TCP_QUICKACK: number, TCP_SYNCNT: number;
export const TCP_USER_TIMEOUT: number, TCP_WINDOW_CLAMP: number;

// udp(7).
export const UDP_CORK: number, UDP_GRO: number, UDP_SEGMENT: number;

// ip(7).
export const IP_ADD_MEMBERSHIP: number, IP_ADD_SOURCE_MEMBERSHIP: number, IP_BIND_ADDRESS_NO_PORT: number;
export const IP_BLOCK_SOURCE: number, IP_DROP_MEMBERSHIP: number, IP_DROP_SOURCE_MEMBERSHIP: number;
export const IP_FREEBIND: number, IP_HDRINCL: number, IP_LOCAL_PORT_RANGE: number, IP_MSFILTER: number;
export const IP_MTU: number, IP_MTU_DISCOVER: number, IP_MULTICAST_ALL: number, IP_MULTICAST_IF: number;
export const IP_MULTICAST_LOOP: number, IP_MULTICAST_TTL: number, IP_NODEFRAG: number, IP_OPTIONS: number;
export const IP_PASSSEC: number, IP_PKTINFO: number, IP_PMTUDISC_DO: number, IP_PMTUDISC_DONT: number;
export const IP_PMTUDISC_PROBE: number, IP_PMTUDISC_WANT: number, IP_RECVERR: number, IP_RECVOPTS: number;
export const IP_RECVORIGDSTADDR: number, IP_RECVTOS: number, IP_RECVTTL: number, IP_RETOPTS: number;
export const IP_ROUTER_ALERT: number, IP_TOS: number, IP_TRANSPARENT: number, IP_TTL: number;
export const IP_UNBLOCK_SOURCE: number;

// ipv6(7).
export const IPV6_ADDRFORM: number, IPV6_ADD_MEMBERSHIP: number, IPV6_AUTHHDR: number;
export const IPV6_DROP_MEMBERSHIP: number, IPV6_DSTOPTS: number, IPV6_FLOWINFO: number;
export const IPV6_FREEBIND: number, IPV6_HOPLIMIT: number, IPV6_HOPOPTS: number, IPV6_MTU: number;
export const IPV6_MTU_DISCOVER: number, IPV6_MULTICAST_HOPS: number, IPV6_MULTICAST_IF: number;
export const IPV6_MULTICAST_LOOP: number, IPV6_PKTINFO: number, IPV6_RECVERR: number;
export const IPV6_RECVHOPLIMIT: number, IPV6_RECVPKTINFO: number, IPV6_RECVTCLASS: number;
export const IPV6_ROUTER_ALERT: number, IPV6_RTHDR: number, IPV6_TCLASS: number, IPV6_TRANSPARENT: number;
export const IPV6_UNICAST_HOPS: number, IPV6_V6ONLY: number;

// open(2).
export const O_APPEND: number, O_CREAT: number, O_EXCL: number, O_RDONLY: number, O_RDWR: number;
export const O_TRUNC: number, O_WRONLY: number;

// stat(2): inode(7).
export const S_IFBLK: number, S_IFCHR: number, S_IFDIR: number, S_IFIFO: number, S_IFLNK: number;
export const S_IFMT: number, S_IFREG: number, S_IFSOCK: number, S_ISGID: number, S_ISUID: number;

// signal(7), waitpid(2).
export const SIGABRT: number, SIGALRM: number, SIGBUS: number, SIGCHLD: number, SIGCONT: number;
export const SIGFPE: number, SIGHUP: number, SIGILL: number, SIGINT: number, SIGIO: number;
export const SIGKILL: number, SIGPIPE: number, SIGPROF: number, SIGPWR: number, SIGQUIT: number;
export const SIGSEGV: number, SIGSTKFLT: number, SIGSTOP: number, SIGSYS: number, SIGTERM: number;
export const SIGTRAP: number, SIGTSTP: number, SIGTTIN: number, SIGTTOU: number, SIGURG: number;
export const SIGUSR1: number, SIGUSR2: number, SIGVTALRM: number, SIGWINCH: number, SIGXCPU: number;
export const SIGXFSZ: number, WNOHANG: number;
