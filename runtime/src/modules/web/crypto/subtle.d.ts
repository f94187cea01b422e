/*
 * Web Cryptography, sections 13 to 17: keys and what is done with them. Signing and decrypting with RSA,
 * making its keys, many iterations of PBKDF2 and more than a megabyte of data go to a thread.
 */

/** What a key may be used for. */
type KeyUsage =
  | "encrypt"
  | "decrypt"
  | "sign"
  | "verify"
  | "deriveKey"
  | "deriveBits"
  | "wrapKey"
  | "unwrapKey";
type KeyFormat = "jwk" | "pkcs8" | "raw" | "spki";
type KeyType = "private" | "public" | "secret";
type BufferSource = ArrayBufferView<ArrayBuffer> | ArrayBuffer;

interface Algorithm {
  name: string;
}
interface KeyAlgorithm {
  name: string;
}
type AlgorithmIdentifier = Algorithm | string;

interface JsonWebKey {
  alg?: string;
  crv?: string;
  d?: string;
  dp?: string;
  dq?: string;
  e?: string;
  ext?: boolean;
  k?: string;
  key_ops?: string[];
  kty?: string;
  n?: string;
  p?: string;
  q?: string;
  qi?: string;
  use?: string;
  x?: string;
  y?: string;
}

interface CryptoKey {
  readonly algorithm: KeyAlgorithm;
  readonly extractable: boolean;
  readonly type: KeyType;
  readonly usages: KeyUsage[];
}
declare var CryptoKey: {
  prototype: CryptoKey;
};

interface CryptoKeyPair {
  privateKey: CryptoKey;
  publicKey: CryptoKey;
}

/** Every parameter that some algorithm takes; which ones is the standard's. */
interface SubtleAlgorithm extends Algorithm {
  additionalData?: BufferSource;
  counter?: BufferSource;
  hash?: AlgorithmIdentifier;
  info?: BufferSource;
  iterations?: number;
  iv?: BufferSource;
  label?: BufferSource;
  /** Bits. */
  length?: number;
  modulusLength?: number;
  namedCurve?: string;
  public?: CryptoKey;
  publicExponent?: Uint8Array<ArrayBuffer>;
  salt?: BufferSource;
  /** Bytes. */
  saltLength?: number;
  /** Bits. */
  tagLength?: number;
}

interface SubtleCrypto {
  /** AES-CBC, AES-CTR, AES-GCM, RSA-OAEP */
  encrypt(algorithm: string | SubtleAlgorithm, key: CryptoKey, data: BufferSource): Promise<ArrayBuffer>;
  decrypt(algorithm: string | SubtleAlgorithm, key: CryptoKey, data: BufferSource): Promise<ArrayBuffer>;
  /** HMAC, RSASSA-PKCS1-v1_5, RSA-PSS, ECDSA, Ed25519 */
  sign(algorithm: string | SubtleAlgorithm, key: CryptoKey, data: BufferSource): Promise<ArrayBuffer>;
  verify(
    algorithm: string | SubtleAlgorithm,
    key: CryptoKey,
    signature: BufferSource,
    data: BufferSource,
  ): Promise<boolean>;
  /** SHA-1, SHA-256, SHA-384, SHA-512 */
  digest(algorithm: AlgorithmIdentifier, data: BufferSource): Promise<ArrayBuffer>;
  generateKey(
    algorithm: "Ed25519" | "X25519" | { name: "Ed25519" | "X25519" },
    extractable: boolean,
    usages: readonly KeyUsage[],
  ): Promise<CryptoKeyPair>;
  generateKey(
    algorithm: SubtleAlgorithm & { modulusLength: number } | SubtleAlgorithm & { namedCurve: string },
    extractable: boolean,
    usages: readonly KeyUsage[],
  ): Promise<CryptoKeyPair>;
  generateKey(
    algorithm: string | SubtleAlgorithm,
    extractable: boolean,
    usages: readonly KeyUsage[],
  ): Promise<CryptoKey>;
  /** HKDF, PBKDF2, ECDH, X25519 */
  deriveKey(
    algorithm: string | SubtleAlgorithm,
    baseKey: CryptoKey,
    derivedKeyType: string | SubtleAlgorithm,
    extractable: boolean,
    usages: readonly KeyUsage[],
  ): Promise<CryptoKey>;
  /** `length` in bits; null is all that ECDH and X25519 have. */
  deriveBits(
    algorithm: string | SubtleAlgorithm,
    baseKey: CryptoKey,
    length?: number | null,
  ): Promise<ArrayBuffer>;
  importKey(
    format: "jwk",
    keyData: JsonWebKey,
    algorithm: string | SubtleAlgorithm,
    extractable: boolean,
    usages: readonly KeyUsage[],
  ): Promise<CryptoKey>;
  importKey(
    format: Exclude<KeyFormat, "jwk">,
    keyData: BufferSource,
    algorithm: string | SubtleAlgorithm,
    extractable: boolean,
    usages: readonly KeyUsage[],
  ): Promise<CryptoKey>;
  exportKey(format: "jwk", key: CryptoKey): Promise<JsonWebKey>;
  exportKey(format: Exclude<KeyFormat, "jwk">, key: CryptoKey): Promise<ArrayBuffer>;
  /** AES-KW, and what encrypts. */
  wrapKey(
    format: KeyFormat,
    key: CryptoKey,
    wrappingKey: CryptoKey,
    wrapAlgorithm: string | SubtleAlgorithm,
  ): Promise<ArrayBuffer>;
  unwrapKey(
    format: KeyFormat,
    wrappedKey: BufferSource,
    unwrappingKey: CryptoKey,
    unwrapAlgorithm: string | SubtleAlgorithm,
    unwrappedKeyAlgorithm: string | SubtleAlgorithm,
    extractable: boolean,
    usages: readonly KeyUsage[],
  ): Promise<CryptoKey>;
}
declare var SubtleCrypto: {
  prototype: SubtleCrypto;
};
