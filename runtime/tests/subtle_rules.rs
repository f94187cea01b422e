//! `crypto.subtle` as an interface: Web IDL's shapes, the errors and their order, JWK, wrapping.

use crate::driver::{self, on_worker};
use crate::subtle::check;

#[test]
fn the_interfaces_are_those_of_web_idl() {
    check(
        r#"
        ok(subtle instanceof SubtleCrypto); equal(crypto.subtle, subtle); equal(String(subtle), '[object SubtleCrypto]');
        throws(() => new SubtleCrypto(), 'TypeError'); throws(() => new CryptoKey(), 'TypeError');
        same(Object.keys(SubtleCrypto.prototype), ['encrypt', 'decrypt', 'sign', 'verify', 'digest', 'generateKey', 'deriveKey', 'deriveBits', 'importKey', 'exportKey', 'wrapKey', 'unwrapKey']);
        same(Object.keys(SubtleCrypto.prototype).map((name) => subtle[name].length), [3, 3, 3, 4, 2, 3, 5, 2, 5, 2, 4, 7]);
        same(Object.keys(CryptoKey.prototype), ['type', 'extractable', 'algorithm', 'usages']);
        for (const name of ['SubtleCrypto', 'CryptoKey']) equal(Object.getOwnPropertyDescriptor(globalThis, name).enumerable, false);
        const key = await subtle.generateKey({ name: 'AES-CBC', length: 192 }, false, ['decrypt', 'encrypt', 'decrypt']);
        equal(String(key), '[object CryptoKey]'); same([key.type, key.extractable, key.algorithm, key.usages], ['secret', false, { name: 'AES-CBC', length: 192 }, ['encrypt', 'decrypt']]);
        equal(key.algorithm, key.algorithm); equal(key.usages, key.usages);
        throws(() => Object.getOwnPropertyDescriptor(CryptoKey.prototype, 'type').get.call({}), 'TypeError');
        await rejects(SubtleCrypto.prototype.digest.call({}, 'SHA-1', utf8('x')), 'TypeError');
        // What a script changes in the objects, or in prototypes, changes no key.
        key.usages.push('sign'); key.algorithm.name = 'HMAC'; Object.prototype.hash = 'SHA-1';
        await rejects(subtle.sign('HMAC', key, utf8('x')), 'InvalidAccessError'); delete Object.prototype.hash;
        "#,
    );
}

#[test]
fn errors_come_in_the_order_of_the_standard() {
    check(
        r#"
        const aes = { name: 'AES-GCM', length: 128 }, iv = new Uint8Array(12), gcm = { name: 'AES-GCM', iv };
        const key = await subtle.generateKey(aes, false, ['encrypt']), mac = await subtle.generateKey({ name: 'HMAC', hash: 'SHA-1' }, true, ['sign']);
        // Web IDL before normalisation, normalisation before the key, its algorithm before its usages.
        await rejects(subtle.encrypt('nonsense', {}, iv), 'TypeError'); await rejects(subtle.encrypt('nonsense', key, 1), 'TypeError');
        await rejects(subtle.encrypt('nonsense', mac, iv), 'NotSupportedError'); await rejects(subtle.encrypt(gcm, mac, iv), 'InvalidAccessError', 'another algorithm');
        await rejects(subtle.decrypt(gcm, key, iv), 'InvalidAccessError', 'usages'); await rejects(subtle.sign('AES-GCM', key, iv), 'NotSupportedError');
        await rejects(subtle.verify('HMAC', mac, iv, iv), 'InvalidAccessError', 'usages'); await rejects(subtle.digest('HMAC', iv), 'NotSupportedError');
        // generateKey: the algorithm, the usages, the parameters, then whether there are usages.
        for (const [algorithm, usages, name] of [
          ['AES', ['encrypt'], 'NotSupportedError'], [{}, ['encrypt'], 'TypeError'], [aes, ['nonsense'], 'TypeError'], [aes, 7, 'TypeError'],
          [aes, ['sign'], 'SyntaxError'], [aes, ['encrypt', 'sign'], 'SyntaxError'], [{ ...aes, length: 127 }, ['sign'], 'SyntaxError'],
          [{ ...aes, length: 127 }, [], 'OperationError'], [aes, [], 'SyntaxError'], ['AES-GCM', ['encrypt'], 'TypeError'],
          [{ ...aes, length: 65536 }, ['encrypt'], 'TypeError'], ['SHA-1', [], 'NotSupportedError'], ['PBKDF2', ['deriveBits'], 'NotSupportedError'],
          [{ name: 'ECDSA', namedCurve: 'x' }, ['sign', 'encrypt'], 'SyntaxError'], ['Ed25519', ['verify'], 'SyntaxError'], ['X25519', [], 'SyntaxError'],
        ]) await rejects(subtle.generateKey(algorithm, true, usages), name);
        await rejects(subtle.generateKey(aes, true), 'TypeError', 'required');
        // importKey
        const bytes = new Uint8Array(16);
        for (const [format, data, algorithm, usages, name] of [
          ['der', bytes, 'AES-GCM', ['encrypt'], 'TypeError'], ['raw', {}, 'AES-GCM', ['encrypt'], 'TypeError'], ['jwk', bytes, 'AES-GCM', ['encrypt'], 'TypeError'],
          ['raw', {}, 'AES', ['encrypt'], 'NotSupportedError'], ['raw', 'text', 'AES-GCM', ['encrypt'], 'TypeError'], ['raw', bytes, 'AES-GCM', [], 'SyntaxError'],
          ['raw', bytes, 'AES-GCM', ['sign'], 'SyntaxError'], ['raw', bytes.subarray(1), 'AES-GCM', ['encrypt'], 'DataError'], ['spki', bytes, 'AES-GCM', ['encrypt'], 'NotSupportedError'],
          ['spki', bytes, { name: 'RSA-PSS', hash: 'SHA-1' }, ['verify'], 'DataError'], ['pkcs8', bytes, { name: 'RSA-PSS', hash: 'SHA-1' }, ['verify'], 'SyntaxError'],
          ['raw', bytes, { name: 'RSA-PSS', hash: 'SHA-1' }, ['verify'], 'NotSupportedError'], ['pkcs8', bytes, 'Ed25519', ['sign'], 'DataError'],
          ['pkcs8', bytes, { name: 'ECDH', namedCurve: 'P-256' }, ['deriveBits'], 'DataError'], ['raw', bytes, 'X25519', [], 'DataError'], ['jwk', null, 'AES-GCM', ['encrypt'], 'DataError'],
        ]) await rejects(subtle.importKey(format, data, algorithm, true, usages), name);
        // exportKey, wrapKey
        await rejects(subtle.exportKey('raw', key), 'InvalidAccessError', 'extractable'); await rejects(subtle.exportKey('spki', mac), 'NotSupportedError');
        await rejects(subtle.exportKey('x', key), 'TypeError'); await rejects(subtle.wrapKey('raw', mac, key, gcm), 'InvalidAccessError', 'usages');
        const by = await subtle.generateKey(aes, false, ['wrapKey', 'unwrapKey']);
        await rejects(subtle.wrapKey('raw', key, by, gcm), 'InvalidAccessError', 'extractable'); await rejects(subtle.wrapKey('raw', mac, by, 'HMAC'), 'NotSupportedError');
        "#,
    );
}

#[test]
fn jwk_members_are_checked_and_go_round() {
    check(
        r#"
        const k = 'AAECAwQFBgcICQoLDA0ODw', key = { kty: 'oct', k };
        const made = await jwk('AES-GCM', { ...key, alg: 'A128GCM', use: 'enc', key_ops: ['encrypt', 'decrypt'], ext: true }, 'encrypt');
        same(await subtle.exportKey('jwk', made), { alg: 'A128GCM', k, kty: 'oct', ext: true, key_ops: ['encrypt'] });
        for (const bad of [
          {}, { k }, { kty: 'oct' }, { ...key, kty: 'RSA' }, { ...key, k: 'AAE=' }, { ...key, k: 'AA*' }, { ...key, k: 'AAECAwQFBgcICQoLDA0O' }, { ...key, alg: 'A256GCM' }, { ...key, alg: 'A128CBC' },
          { ...key, use: 'sig' }, { ...key, key_ops: ['decrypt'] }, { ...key, key_ops: [] }, { ...key, key_ops: ['encrypt', 'encrypt'] }, { ...key, ext: false },
        ]) await rejects(jwk('AES-GCM', bad, 'encrypt'), 'DataError');
        await rejects(jwk('AES-GCM', { ...key, key_ops: 'encrypt' .length }, 'encrypt'), 'TypeError');
        equal((await subtle.importKey('jwk', { ...key, ext: false }, 'AES-GCM', false, ['encrypt'])).extractable, false);
        for (const [name, alg] of [['AES-CTR', 'A128CTR'], ['AES-CBC', 'A128CBC'], ['AES-KW', 'A128KW']])
          equal((await subtle.exportKey('jwk', await jwk(name, key, name === 'AES-KW' ? 'wrapKey' : 'encrypt'))).alg, alg);
        for (const [hash, alg] of [['SHA-1', 'HS1'], ['SHA-256', 'HS256'], ['SHA-384', 'HS384'], ['SHA-512', 'HS512']]) {
          equal((await subtle.exportKey('jwk', await jwk({ name: 'HMAC', hash }, { ...key, alg, use: 'sig' }, 'verify'))).alg, alg);
          await rejects(jwk({ name: 'HMAC', hash }, { ...key, alg: 'HS999' }, 'verify'), 'DataError');
        }
        const order = [], watched = new Proxy(key, { get: (target, name) => { order.push(name); return target[name] } }); await jwk('AES-GCM', watched, 'encrypt');
        same(order, ['alg', 'crv', 'd', 'dp', 'dq', 'e', 'ext', 'k', 'key_ops', 'kty', 'n', 'oth', 'p', 'q', 'qi', 'use', 'x', 'y']);
        "#,
    );
}

#[test]
fn keys_of_every_kind_are_wrapped_in_every_format() {
    check(
        r#"
        const iv = new Uint8Array(12), gcm = { name: 'AES-GCM', iv }, by = await subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['wrapKey', 'unwrapKey']);
        const round = async (key, format, algorithm, usages) => {
          const wrapped = await subtle.wrapKey(format, key, by, gcm), back = await subtle.unwrapKey(format, wrapped, by, gcm, algorithm, true, usages);
          same(await subtle.exportKey('jwk', back), await subtle.exportKey('jwk', key)); same([back.type, back.usages], [key.type, key.usages]);
        };
        const mac = { name: 'HMAC', hash: 'SHA-384' }; for (const format of ['raw', 'jwk']) await round(await subtle.generateKey(mac, true, ['sign']), format, mac, ['sign']);
        const ec = { name: 'ECDH', namedCurve: 'P-521' }, pair = await subtle.generateKey(ec, true, ['deriveBits']);
        for (const format of ['raw', 'spki', 'jwk']) await round(pair.publicKey, format, ec, []); for (const format of ['pkcs8', 'jwk']) await round(pair.privateKey, format, ec, ['deriveBits']);
        const ed = await subtle.generateKey('Ed25519', true, ['sign']); for (const format of ['pkcs8', 'jwk']) await round(ed.privateKey, format, 'Ed25519', ['sign']);
        const key = await subtle.generateKey(mac, true, ['sign']), rsa = await subtle.generateKey({ name: 'RSA-OAEP', modulusLength: 2048, publicExponent: un('010001'), hash: 'SHA-1' }, false, ['wrapKey', 'unwrapKey']);
        const sealed = await subtle.wrapKey('raw', key, rsa.publicKey, 'RSA-OAEP'), opened = await subtle.unwrapKey('raw', sealed, rsa.privateKey, 'RSA-OAEP', mac, true, ['sign']);
        equal(hex(await subtle.exportKey('raw', opened)), hex(await subtle.exportKey('raw', key)));
        await rejects(subtle.unwrapKey('raw', sealed, rsa.privateKey, 'RSA-OAEP', mac, true, []), 'SyntaxError');
        await rejects(subtle.unwrapKey('jwk', sealed, rsa.privateKey, 'RSA-OAEP', mac, true, ['sign']), 'DataError');
        await rejects(subtle.unwrapKey('raw', sealed, by, gcm, mac, true, ['sign']), 'OperationError');
        // JSON.stringify and toJSON of the app have no part in it.
        Object.prototype.toJSON = () => 'mine'; JSON.stringify = () => 'mine'; JSON.parse = () => 'mine';
        const wrapped = await subtle.wrapKey('jwk', key, by, gcm); delete Object.prototype.toJSON;
        equal((await subtle.unwrapKey('jwk', wrapped, by, gcm, mac, true, ['sign'])).algorithm.length, 1024);
        "#,
    );
}

#[test]
fn data_is_copied_when_the_algorithm_has_been_looked_at() {
    check(
        r#"
        const hex = (buffer) => [...new Uint8Array(buffer)].map((byte) => byte.toString(16)).join();
        const iv = new Uint8Array(16), twos = new Uint8Array(32).fill(2), none = new Uint8Array();
        const aes = await subtle.importKey('raw', iv, 'AES-CBC', true, ['encrypt', 'decrypt', 'unwrapKey']), hmac = await subtle.importKey('raw', iv, { name: 'HMAC', hash: 'SHA-256' }, true, ['sign', 'verify']);
        const changing = (call) => { const data = new Uint8Array(32).fill(1); return call(data, (name, more = {}) => ({ ...more, get name() { data.fill(2); return name } })) };
        const moving = (call) => { const data = new Uint8Array(32).fill(1); return call(data, (name, more = {}) => ({ ...more, get name() { if (data.length) data.buffer.transfer(); return name } })) };
        for (const [way, wanted] of [[changing, twos], [moving, none]]) {
          equal(hex(await way((data, as) => subtle.digest(as('SHA-256'), data))), hex(await subtle.digest('SHA-256', wanted)));
          equal(hex(await way((data, as) => subtle.sign(as('HMAC'), hmac, data))), hex(await subtle.sign('HMAC', hmac, wanted)));
          const cbc = { name: 'AES-CBC', iv }, sealed = await subtle.encrypt(cbc, aes, wanted);
          equal(hex(await way((data, as) => { const of = as('AES-CBC', { iv }); return subtle.encrypt(of, aes, data) })), hex(sealed));
          const tag = await subtle.sign('HMAC', hmac, wanted);
          equal(await way((data, as) => subtle.verify(as('HMAC'), hmac, tag, data)), true);
          const key = way((data, as) => subtle.importKey('raw', data, as('HMAC', { hash: 'SHA-256' }), true, ['sign']));
          if (wanted === none) await rejects(key, 'DataError'); else equal(hex(await subtle.exportKey('raw', await key)), hex(twos));
        }
        const [tag, wrong] = [await subtle.sign('HMAC', hmac, twos), new Uint8Array(32)];
        equal(await subtle.verify({ get name() { wrong.set(new Uint8Array(tag)); return 'HMAC' } }, hmac, wrong, twos), true);
        "#,
    );
}

/// None of them has an end: they run as long as their engine does.
#[test]
fn short_operations_do_not_wait_behind_long_ones() {
    check(
        r#"
        const base = await subtle.importKey('raw', utf8('secret'), 'PBKDF2', false, ['deriveBits']);
        const stretch = (iterations) => subtle.deriveBits({ name: 'PBKDF2', hash: 'SHA-256', salt: new Uint8Array(8), iterations }, base, 256);
        for (let i = 0; i < 12; i++) stretch(2 ** 32 - 1);
        for (let i = 0; i < 4; i++) subtle.generateKey({ name: 'RSA-PSS', modulusLength: 8192, publicExponent: new Uint8Array([3]), hash: 'SHA-256' }, false, ['sign']).catch(() => {});
        equal((await stretch(3000)).byteLength, 32);
        equal((await subtle.digest('SHA-1', new Uint8Array(3 << 20))).byteLength, 20);
        equal((await subtle.digest('SHA-512', new Uint8Array(2 << 20))).byteLength, 64);
        "#,
    );
}

#[test]
fn an_operation_ends_with_the_time_of_a_request() {
    on_worker(|| async {
        let driver = driver::new();
        runtime::modules::web::crypto::set_time_max(
            driver.engine.state(),
            std::time::Duration::from_millis(50),
        );
        let body = "const base = await crypto.subtle.importKey('raw', new Uint8Array(4), 'PBKDF2', false, ['deriveBits']); \
                    const long = crypto.subtle.deriveBits({ name: 'PBKDF2', hash: 'SHA-1', salt: new Uint8Array(8), iterations: 2 ** 32 - 1 }, base, 256); \
                    await rejects(long, 'OperationError', '--request-timeout')";
        driver.run_async(body).await;
    });
}

#[test]
fn pbkdf2_in_steps_gives_what_the_standard_says() {
    check(
        r#"
        const hex = (buffer) => [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
        // RFC 6070, and RFC 7914 section 11.
        const derive = async (hash, password, salt, iterations, bytes) => hex(await subtle.deriveBits({ name: 'PBKDF2', hash, salt: utf8(salt), iterations },
          await subtle.importKey('raw', utf8(password), 'PBKDF2', false, ['deriveBits']), bytes * 8));
        equal(await derive('SHA-1', 'password', 'salt', 1, 20), '0c60c80f961f0e71f3a9b524af6012062fe037a6');
        equal(await derive('SHA-1', 'password', 'salt', 4096, 20), '4b007901b765489abead49d926f721d065a429c1');
        equal(await derive('SHA-1', 'passwordPASSWORDpassword', 'saltSALTsaltSALTsaltSALTsaltSALTsalt', 4096, 25), '3d2eec4fe41c849b80c8d83662c0e44a8b291a964cf2f07038');
        equal(await derive('SHA-256', 'passwd', 'salt', 1, 64), '55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783');
        equal(await derive('SHA-256', 'passwd', 'salt', 1, 0), '');
        "#,
    );
}

#[test]
fn keys_and_data_that_waits_count_against_the_heap_limit() {
    check(
        r#"
        const bytes = new Uint8Array(8 << 20), kept = [];
        let error; try { for (let i = 0; i < 20; i++) kept.push(await raw({ name: 'HMAC', hash: 'SHA-1' }, bytes, 'sign')) } catch (e) { error = e }
        equal(error?.message, 'out of memory'); ok(kept.length <= 8, `${kept.length} keys of 8 MiB under 64 MiB`); kept.length = 0;
        const results = await Promise.allSettled(Array.from({ length: 12 }, () => subtle.digest('SHA-1', bytes)));
        ok(results.some((result) => result.status === 'fulfilled') && results.some((result) => result.reason?.message === 'out of memory'));
        "#,
    );
}
