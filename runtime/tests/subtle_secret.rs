//! `crypto.subtle` with secret keys: published vectors of every algorithm, and its edges.

use crate::subtle::check;

#[test]
fn digests_of_fips_180() {
    check(
        r#"
        const of = async (name, text) => hex(await subtle.digest(name, utf8(text)));
        equal(await of('SHA-1', 'abc'), 'a9993e364706816aba3e25717850c26c9cd0d89d');
        equal(await of({ name: 'sha-256' }, 'abc'), 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
        equal(await of('SHA-384', 'abc'), 'cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7');
        equal(await of('sha-512', 'abc'), 'ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f');
        equal(await of('SHA-256', ''), 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
        // More than a megabyte goes to a thread; what is changed afterwards does not count.
        const many = new Uint8Array(3_000_000).fill(97), promise = subtle.digest('SHA-1', many.subarray(0, 2_000_000)); many.fill(0);
        equal(hex(await promise), hex(await subtle.digest('SHA-1', new Uint8Array(2_000_000).fill(97))));
        const few = utf8('abc'), at_once = subtle.digest('SHA-1', few.buffer); few.fill(0);
        equal(hex(await at_once), 'a9993e364706816aba3e25717850c26c9cd0d89d'); ok((await at_once) instanceof ArrayBuffer);
        for (const name of ['MD5', 'SHA', 'SHA-224', 'AES-GCM', '', null]) await rejects(subtle.digest(name, few), 'NotSupportedError');
        for (const bad of [{}, { name: undefined }]) await rejects(subtle.digest(bad, few), 'TypeError', 'name');
        await rejects(subtle.digest('SHA-1', 'abc'), 'TypeError'); await rejects(subtle.digest('SHA-1'), 'TypeError');
        "#,
    );
}

#[test]
fn hmac_of_rfc_4231() {
    check(
        r#"
        const key = await raw({ name: 'HMAC', hash: 'SHA-256' }, utf8('Jefe'), 'sign', 'verify');
        const data = utf8('what do ya want for nothing?'), tag = await subtle.sign('HMAC', key, data);
        equal(hex(tag), '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843');
        same(key.algorithm, { name: 'HMAC', hash: { name: 'SHA-256' }, length: 32 });
        equal(await subtle.verify('hmac', key, tag, data), true);
        equal(await subtle.verify('HMAC', key, tag.slice(1), data), false); equal(await subtle.verify('HMAC', key, new Uint8Array(32), data), false);
        const wide = await raw({ name: 'HMAC', hash: 'SHA-512' }, new Uint8Array(20).fill(0x0b), 'sign');
        ok(hex(await subtle.sign('HMAC', wide, utf8('Hi There'))).startsWith('87aa7cdea5ef619d4ff0b4241a1d6cb0'));
        // Lengths: a block by default, any number of bits otherwise, the spare ones cleared.
        equal((await subtle.generateKey({ name: 'HMAC', hash: 'SHA-384' }, true, ['sign'])).algorithm.length, 1024);
        const odd = await subtle.generateKey({ name: 'HMAC', hash: 'SHA-1', length: 21 }, true, ['sign']);
        const bytes = new Uint8Array(await subtle.exportKey('raw', odd)); same([odd.algorithm.length, bytes.length, bytes[2] & 7], [21, 3, 0]);
        const cut = await raw({ name: 'HMAC', hash: 'SHA-1', length: 21 }, un('ffffff'), 'sign'); equal(hex(await subtle.exportKey('raw', cut)), 'fffff8');
        for (const length of [25, 16, 0]) await rejects(raw({ name: 'HMAC', hash: 'SHA-1', length }, un('ffffff'), 'sign'), 'DataError');
        await rejects(raw({ name: 'HMAC', hash: 'SHA-1' }, new Uint8Array(), 'sign'), 'DataError');
        await rejects(subtle.generateKey({ name: 'HMAC', hash: 'SHA-1', length: 0 }, true, ['sign']), 'OperationError');
        await rejects(subtle.generateKey({ name: 'HMAC' }, true, ['sign']), 'TypeError', 'hash');
        await rejects(subtle.generateKey({ name: 'HMAC', hash: 'SHA-1', length: -1 }, true, ['sign']), 'TypeError');
        "#,
    );
}

#[test]
fn aes_cbc_and_ctr_of_sp_800_38a() {
    check(
        r#"
        const bytes = un('2b7e151628aed2a6abf7158809cf4f3c'), block = un('6bc1bee22e409f96e93d7e117393172a');
        const cbc = await raw('AES-CBC', bytes, 'encrypt', 'decrypt'), iv = un('000102030405060708090a0b0c0d0e0f');
        const sealed = await subtle.encrypt({ name: 'AES-CBC', iv }, cbc, block);
        equal(hex(sealed), '7649abac8119b246cee98e9b12e9197d8964e0b149c10b7b682e6e39aaeb731c');
        equal(hex(await subtle.decrypt({ name: 'AES-CBC', iv }, cbc, sealed)), hex(block));
        for (const part of [sealed.slice(0, 16), sealed.slice(1), new ArrayBuffer(0)])
          await rejects(subtle.decrypt({ name: 'AES-CBC', iv }, cbc, part), 'OperationError');
        await rejects(subtle.encrypt({ name: 'AES-CBC', iv: iv.slice(1) }, cbc, block), 'OperationError');
        const ctr = await raw('AES-CTR', bytes, 'encrypt', 'decrypt'), counter = un('f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff');
        const run = (length, data, way = 'encrypt') => subtle[way]({ name: 'AES-CTR', counter, length }, ctr, data);
        equal(hex(await run(128, block)), '874d6191b620e3261bef6864990db6ce'); equal(hex(await run(64, await run(64, block), 'decrypt')), hex(block));
        // The counter wraps inside of its own bits (by OpenSSL).
        equal(hex(await run(5, new Uint8Array(70))), 'ec8cdf7398607cb0f2d21675ea9ea1e4d841cafe928be6189341a575d4a0af37f0c8aa1e86f70357b551512cec96beaaca1536b86d68c59ae6c9aeb2c07c6f1385d9f984f79c');
        equal((await run(5, new Uint8Array(32 * 16))).byteLength, 512); await rejects(run(5, new Uint8Array(32 * 16 + 1)), 'OperationError');
        for (const length of [0, 129, 255]) await rejects(run(length, block), 'OperationError');
        for (const length of [256, -1, NaN, Infinity]) await rejects(run(length, block), 'TypeError');
        "#,
    );
}

#[test]
fn aes_gcm_of_the_gcm_specification() {
    check(
        r#"
        const key = await raw('AES-GCM', un('feffe9928665731c6d6a8f9467308308'), 'encrypt', 'decrypt');
        const plain = un('d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39');
        const additionalData = un('feedfacedeadbeeffeedfacedeadbeefabaddad2'), name = 'AES-GCM';
        const four = { name, iv: un('cafebabefacedbaddecaf888'), additionalData }, sealed = new Uint8Array(await subtle.encrypt(four, key, plain));
        equal(hex(sealed), '42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e0915bc94fbc3221a5db94fae95ae7121a47');
        equal(hex(await subtle.decrypt(four, key, sealed)), hex(plain));
        // Test case 5: a nonce that is hashed; its tag cut short.
        const five = { name, iv: un('cafebabefacedbad'), additionalData, tagLength: 96 }, short = await subtle.encrypt(five, key, plain);
        equal(hex(short), '61353b4c2806934a777ff51fa22a4755699b2a714fcdc6f83766e5f97b6c742373806900e49f24b22b097544d4896b424989b5e1ebac0f07c23f4598' + '3612d2e79e3b0785561be14a');
        equal(hex(await subtle.decrypt(five, key, short)), hex(plain));
        for (const tagLength of [32, 64, 104, 112, 120]) {
          const tag = await subtle.encrypt({ ...four, tagLength }, key, new Uint8Array()); equal(tag.byteLength, tagLength / 8);
          equal((await subtle.decrypt({ ...four, tagLength }, key, tag)).byteLength, 0);
        }
        for (let at = 0; at < sealed.length; at += 15) {
          const changed = sealed.slice(); changed[at] ^= 1; await rejects(subtle.decrypt(four, key, changed), 'OperationError');
        }
        await rejects(subtle.decrypt({ name, iv: four.iv }, key, sealed), 'OperationError');
        await rejects(subtle.decrypt(four, key, sealed.slice(0, 15)), 'OperationError');
        for (const tagLength of [0, 16, 95, 136]) await rejects(subtle.encrypt({ ...four, tagLength }, key, plain), 'OperationError');
        await rejects(subtle.encrypt({ name }, key, plain), 'TypeError', 'iv'); await rejects(subtle.encrypt({ name, iv: 'x' }, key, plain), 'TypeError');
        const large = new Uint8Array(1_500_000).fill(7); // on a thread
        equal(hex(await subtle.decrypt(four, key, await subtle.encrypt(four, key, large))), hex(large));
        "#,
    );
}

#[test]
fn aes_kw_of_rfc_3394() {
    check(
        r#"
        const by = await raw('AES-KW', un('000102030405060708090a0b0c0d0e0f'), 'wrapKey', 'unwrapKey');
        const key = await raw('AES-GCM', un('00112233445566778899aabbccddeeff'), 'encrypt');
        const wrapped = await subtle.wrapKey('raw', key, by, 'AES-KW');
        equal(hex(wrapped), '1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5');
        const back = await subtle.unwrapKey('raw', wrapped, by, 'AES-KW', 'AES-CBC', true, ['decrypt']);
        equal(hex(await subtle.exportKey('raw', back)), '00112233445566778899aabbccddeeff'); equal(back.algorithm.name, 'AES-CBC');
        const wrong = new Uint8Array(wrapped); wrong[3] ^= 1;
        await rejects(subtle.unwrapKey('raw', wrong, by, 'AES-KW', 'AES-CBC', true, ['decrypt']), 'OperationError');
        await rejects(subtle.unwrapKey('raw', wrong.slice(1), by, 'AES-KW', 'AES-CBC', true, ['decrypt']), 'OperationError');
        await rejects(subtle.wrapKey('raw', await raw({ name: 'HMAC', hash: 'SHA-1' }, un('010203'), 'sign'), by, 'AES-KW'), 'OperationError');
        await rejects(subtle.encrypt('AES-KW', by, new Uint8Array(16)), 'NotSupportedError');
        "#,
    );
}

#[test]
fn hkdf_of_rfc_5869() {
    check(
        r#"
        const key = await subtle.importKey('raw', new Uint8Array(22).fill(0x0b), 'HKDF', false, ['deriveBits', 'deriveKey']);
        const params = { name: 'HKDF', hash: 'SHA-256', salt: un('000102030405060708090a0b0c'), info: un('f0f1f2f3f4f5f6f7f8f9') };
        equal(hex(await subtle.deriveBits(params, key, 42 * 8)), '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865');
        const empty = { ...params, salt: new Uint8Array(), info: new Uint8Array() };
        equal(hex(await subtle.deriveBits(empty, key, 42 * 8)), '8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8');
        equal((await subtle.deriveBits(params, key, 0)).byteLength, 0); equal((await subtle.deriveBits(params, key, 255 * 32 * 8)).byteLength, 8160);
        for (const length of [null, undefined, 7, 255 * 32 * 8 + 8]) await rejects(subtle.deriveBits(params, key, length), 'OperationError');
        const aes = await subtle.deriveKey(params, key, { name: 'AES-GCM', length: 128 }, true, ['encrypt']);
        equal(hex(await subtle.exportKey('raw', aes)), '3cb25f25faacd57a90434f64d0362f2a'); same(aes.algorithm, { name: 'AES-GCM', length: 128 });
        const mac = await subtle.deriveKey(params, key, { name: 'HMAC', hash: 'SHA-1' }, true, ['sign']); equal(mac.algorithm.length, 512);
        await rejects(subtle.deriveKey(params, key, { name: 'AES-GCM', length: 127 }, true, ['encrypt']), 'OperationError');
        await rejects(subtle.deriveKey(params, key, { name: 'HMAC', hash: 'SHA-1', length: 0 }, true, ['sign']), 'TypeError');
        await rejects(subtle.deriveKey(params, key, 'HKDF', false, ['deriveBits']), 'OperationError');
        await rejects(subtle.deriveKey(params, key, { name: 'AES-GCM', length: 128 }, true, []), 'SyntaxError');
        await rejects(subtle.deriveBits({ name: 'HKDF', hash: 'SHA-1', salt: un('') }, key, 8), 'TypeError', 'info');
        "#,
    );
}

#[test]
fn pbkdf2_of_rfc_6070() {
    check(
        r#"
        const key = await subtle.importKey('raw', utf8('password'), 'PBKDF2', false, ['deriveBits', 'deriveKey']);
        const params = (iterations, hash = 'SHA-1') => ({ name: 'PBKDF2', hash, salt: utf8('salt'), iterations });
        equal(hex(await subtle.deriveBits(params(1), key, 160)), '0c60c80f961f0e71f3a9b524af6012062fe037a6');
        equal(hex(await subtle.deriveBits(params(2), key, 160)), 'ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957');
        equal(hex(await subtle.deriveBits(params(4096), key, 160)), '4b007901b765489abead49d926f721d065a429c1'); // on a thread
        equal(hex(await subtle.deriveBits(params(1, 'SHA-256'), key, 256)), '120fb6cffcf8b32c43e7225256c4f837a86548c92ccc35480805987cb70be17b');
        const aes = await subtle.deriveKey(params(4096), key, { name: 'AES-KW', length: 128 }, true, ['wrapKey']);
        equal(hex(await subtle.exportKey('raw', aes)), '4b007901b765489abead49d926f721d0');
        equal((await subtle.deriveBits(params(1), key, 0)).byteLength, 0);
        await rejects(subtle.deriveBits(params(0), key, 8), 'OperationError'); await rejects(subtle.deriveBits(params(1), key, 9), 'OperationError');
        await rejects(subtle.deriveBits(params(-1), key, 8), 'TypeError'); await rejects(subtle.deriveBits(params(1), key), 'OperationError');
        await rejects(subtle.importKey('raw', utf8('p'), 'PBKDF2', true, ['deriveBits']), 'SyntaxError');
        await rejects(subtle.importKey('raw', utf8('p'), 'PBKDF2', false, ['encrypt']), 'SyntaxError');
        await rejects(subtle.importKey('spki', utf8('p'), 'PBKDF2', false, ['deriveBits']), 'NotSupportedError');
        await rejects(subtle.exportKey('raw', key), 'NotSupportedError');
        "#,
    );
}

#[test]
fn a_long_operation_leaves_the_worker_free_and_several_run_beside_each_other() {
    check(
        r#"
        const key = await subtle.importKey('raw', utf8('password'), 'PBKDF2', false, ['deriveBits']);
        const order = [], params = { name: 'PBKDF2', hash: 'SHA-512', salt: utf8('salt'), iterations: 20_000 };
        const all = [1, 2, 3, 4, 5, 6].map(() => subtle.deriveBits(params, key, 512).then((bits) => { order.push('long'); return hex(bits) }));
        await new Promise((done) => setTimeout(done, 0)); order.push('timer');
        equal(new Set(await Promise.all(all)).size, 1); equal(order[0], 'timer'); equal(order.length, 7);
        "#,
    );
}
