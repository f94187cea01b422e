//! `crypto.subtle` with key pairs: RSA, ECDSA, ECDH, Ed25519, X25519. Vectors are of RFC 8032, RFC 7748
//! and RFC 6979, or made with OpenSSL (by Node.js).

use crate::subtle::check;

#[test]
fn rsa_agrees_with_openssl_and_keys_go_round() {
    check(
        r#"
        const key = { kty: 'RSA', n: '4skPfIrLRRF6TZfYHd5G6zHYSM8VFeYUeaHrE0IauDU04_yDLNz6Sfa-GZB7q4kqE6Qg0PU_oKc80RaycF7QXsaQ4fj-ryh0Hl06tWnZE_bLrPfawfow1oIodCFQZm41RNtfGsfQ6WBMDmatHsbwobM3YG_gs810nG7K2hvWDjSksf3JQhk8g9K3zcTBwPvC_GALlZayJSBCWcSFciSsmJ1_CgDaavnWccTCb_VM1Rn6l7lc436Cu6E1SCEh8-Heks5915SCXPbN59R4pKEvytZhe61FPjIfjgsokxw_K5a3_qceq07tDi1G3bURb_x9k1t1TLHvC6TrKDlmL-OYLw', e: 'AQAB', d: 'OEX3x8mQ4tSRaouRHug25Ml7h6WK7-IlloDtGdw_URIyy5eu3QUAPjYxuZo2dbwVasZBNliEr1KQLrnZETUVs07GSKxGViRNm_M6TCW1rdSBeawO5i80yyWE8DwL_T6_jRR6JuUKG76_YJttvcNTlmwoA4__S95hXyfGwhRCK0fBHkNt1AieUy11E8R7dl7-fVaR5bDfXakE2kekiE90FY-i1ILDVpLUMTcIm_IWI-UrFf64uxfJ3qIXVzbhDJzp3d2Ox42mvRXWi86NutORRXObUejKqUcyZoBoaELfi8l7XByMaoZrS5SHR_404THs3tebBbukRIZMktDkdZpoYQ', p: '-3rdl9uStX8xVP7vSlfLQWcIvzg4pnGPEn8Rt8JYgARWer44vv29O20oipZVxjRUOw7iNs4XXUTZoolMBU4YIgI83zOIQWcxeWYiUXrKruS74FncQec_-BuGHvsbdxCoZ-w50E9F09T037exE6lebUaR_hDWOC95R1sekd7ZMlk', q: '5tyRYMsETVeAOpVBeF-ca9qXEPsfsJvKUrf2m7Ct6U_993rDStpL1Prs2kNOM0Hrs_YgPoS5RitwHB98eqL8i3_sMLYM2OyBXGow8rhY-Tdh7jOql9G0u6Y8Y3in53QMFDn5DqZLUCn0AVHRihyGm1K64_3Szd9fejljYYQ4fcc', dp: 'IyQqLvxJ5f7eH-h3-8WE66DAQihTEj8wJP-ItEr-HvV8OC64s0e118YLMkKLveS2GIKd7daiwS_L0cCp1Nvy113Er9P9qFYJPdOd3BDynbns3w7vjm4ILF18QnwIfHzha5RBB_Dr6wwJI_IBVqQGQ_Lml8A2jydjJSuAfBXN-BE', dq: 'XvryKON9sqBEVlXf6LlVbp4xNsBKqmt-Ewgywp0u_-V0NGRigqJLPqW52paETtxZL-IcI_yRCUiHyFo_6WizBGWt8-CCaqDrG-1olAO6P1ZEyS6iifGyLN3YzIfwdG4vJgcv65IJPEL2a7CQyASycKbZ00EzgJXc_zkrJQyz_TM', qi: '-pMNB61L-67RBB7zFpTFIFy0s7AZVKmgxpMFyoqZl2da3g2cIU_qQ-V_iaJLsb0T_QGtF5yYMb7mMLzD-kQiHhNMZlcHKFuDq9iiY_74eYsGKWelqIUZqv0NrOlRz-S1pIkvqWL-JjNweuiUdlXIwYQZDFy6ZhaFAVaIzraUsWw' };
        const { kty, n, e } = key, data = utf8('sample'), v15 = 'RSASSA-PKCS1-v1_5';
        const signatures = {
          'SHA-1': 'gHXJ3JfE3PcDPwp0tNFgjjNf0FvyHUtQ5kNYuQNDHvlSyq4rPA2viBF+Y0zy3yvVtYnx0/fE/YaYyva8HNgdItWNIEc6xpvDG9kGXwcsqS4r5WPJ8PHsOy1qYb7ojfQzX59cQ0FAIDhODJhBITUbxIkwtWWG/g4+iRxENLFbjO29OnpyBSB1CHguCvC4SvrkXgJX+ogLLMTmUddJKdU+dfoJMYJHCoSgnSYy3ybhMz8HoWbK83yvIWYuXpzGkQ6OhZnM1r+4f7iaNRroPXVfOxrC7yt947dKiejdIJbvHLbtr6IQ+zY8mueQWpde+mVuHz6s8ZJvtZxUjE1FF1jn7Q==',
          'SHA-256': 'lEyiN0iMx8LTq+gMCIICv51d/AqnG2YZOqWaWYrW4ucnOp8X8jIbMojkToAaiyI0PS4YVpYgl68gZn5Tz/YH8Sedph/mm9UBCey0CGCsV/JjBOj+faktU5c2bsHdat+ZopLtGMArchBGScI9FLewy/c+PAIQT5XVqEu7UR+Gr6FNTDTsgEAMMptilOnwY4itO1VNgLoB5lfUoBFtP6eH3O2cHjZuQ82qRds/SpWLqgIP65VFIUUVWjyA9o0v0TheSrGnTw/O4+uW6QLXCJLyJRmtYQsE7db/mx0cWV/+7b/7FHiVUq8R9FtlkhlaJEU66UW17bBrwQjRRzKBtYKHFw==',
          'SHA-512': 'QblBAlRNLCEQ1rpP/e1MrYENh7dzBVoZCE3OX+gMRrqvlYhMwL0Dgrz1HErsWJoCiXfyiyNBwbafHZneOzz89yU5olL197NbTxZKLDJsubbwJ6rLBLdZZzUdaxxnUYZDjIJiwWwvJ0LiDfuTYTFCEFlumGGEe16RyMJtnHXaZ2mxPpS+wf21Y7d5YaVdeX/+xDyUeMTDmLmyQNJNY1UWlN7ej3RRzzyqw0N+U4W6/yKWvalj8SAjwM1bRspg6H0nLxT5xOU6exs+MDRbkC9d/FYY4flkswSi6uIqLR6IrkLyj6Qqj7md33q/IdjXHTs4K/0ST7JarS28nzZTRAQJ3Q==',
        };
        for (const [hash, signature] of Object.entries(signatures)) {
          const [by, of] = await Promise.all([jwk({ name: v15, hash }, key, 'sign'), jwk({ name: v15, hash }, { kty, n, e }, 'verify')]);
          equal(new Uint8Array(await subtle.sign(v15, by, data)).toBase64(), signature);
          equal(await subtle.verify(v15, of, un64(signature), data), true); equal(await subtle.verify(v15, of, un64(signature), utf8('other')), false);
          equal(await subtle.verify(v15, of, un64(signature).slice(1), data), false);
        }
        // RSA-PSS: salts of any length that fits; RSA-OAEP: with a label.
        const sign = await jwk({ name: 'RSA-PSS', hash: 'SHA-256' }, key, 'sign'), verify = await jwk({ name: 'RSA-PSS', hash: 'SHA-256' }, { kty, n, e }, 'verify');
        const pss = un64('K7necLcQVczDo4OQIBTYAYWzgUUf1wcb8hj5VYopHx58lT8tJgsEMVqY8TDM9goTn2cNgpGg9cUiYji0+CfvmDLjNuaHoQCMMwOg7lBJDm66QatufYuUOheVgCWmZAh8Ozku0zNPQ4Gj4sxRl5im/GKKp52NWqQXS/qxwXj9GvVHCJ7n4VefYOzMGowNXWLb76pwnzKinfdobgTyb/OyXZObZ5HD7ycS0Ax6uqxFXk6XxPMj44Mjke/UORDPJlqI3QFZG3fucMgFS4pRQR+/AP+Kgw/+HiWFjLG49jZf6a/owbduw6yEgBI55wv+CLxuzZTHbHvgE1jVOslDrCxrNg==');
        equal(await subtle.verify({ name: 'RSA-PSS', saltLength: 20 }, verify, pss, data), true); equal(await subtle.verify({ name: 'RSA-PSS', saltLength: 32 }, verify, pss, data), false);
        for (const saltLength of [0, 7, 222]) {
          const made = await subtle.sign({ name: 'RSA-PSS', saltLength }, sign, data); equal(await subtle.verify({ name: 'RSA-PSS', saltLength }, verify, made, data), true);
        }
        for (const saltLength of [223, 4294967295]) await rejects(subtle.sign({ name: 'RSA-PSS', saltLength }, sign, data), 'OperationError');
        const open = await jwk({ name: 'RSA-OAEP', hash: 'SHA-256' }, key, 'decrypt'), seal = await jwk({ name: 'RSA-OAEP', hash: 'SHA-256' }, { kty, n, e }, 'encrypt');
        const label = utf8('l'), sealed = un64('1SICMGJd2SVEVmuT1c5hhgr7WPBl47Wk+EgUCrAgwZP6ieVWIoeAQHlDz27RFDKrg5j2KoBIQiqQSMBoBI8+ubXMPdFzfGyECgUa8rvlJRQ2ExJ+eVqVtLsEllkKWRTBmDrTvVgrdQ6RMIRj0HE0FHYImCxYmv1tEgN878fp66wigPeMpCx26wvoVXaBR+a5E5Mvukf/gpOvrYDFqg9ZksOU6jULx47bJOX0kNdBVXntGeAt6MyzPI7GV6gsrzF1Kn4NYRqTDoBA18OI3SukkKDymt809qhwP7rwdKfUd3XSZqk3v2Imhk15n1k/5/u/zE/AdqeP0FnBME4VqC/JWw==');
        equal(hex(await subtle.decrypt({ name: 'RSA-OAEP', label }, open, sealed)), hex(utf8('secret')));
        await rejects(subtle.decrypt({ name: 'RSA-OAEP' }, open, sealed), 'OperationError'); await rejects(subtle.encrypt('RSA-OAEP', seal, new Uint8Array(191)), 'OperationError');
        equal((await subtle.decrypt('RSA-OAEP', open, await subtle.encrypt('RSA-OAEP', seal, new Uint8Array(190)))).byteLength, 190);
        // All formats, there and back.
        equal(new Uint8Array(await subtle.exportKey('spki', verify)).toBase64(), 'MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA4skPfIrLRRF6TZfYHd5G6zHYSM8VFeYUeaHrE0IauDU04/yDLNz6Sfa+GZB7q4kqE6Qg0PU/oKc80RaycF7QXsaQ4fj+ryh0Hl06tWnZE/bLrPfawfow1oIodCFQZm41RNtfGsfQ6WBMDmatHsbwobM3YG/gs810nG7K2hvWDjSksf3JQhk8g9K3zcTBwPvC/GALlZayJSBCWcSFciSsmJ1/CgDaavnWccTCb/VM1Rn6l7lc436Cu6E1SCEh8+Heks5915SCXPbN59R4pKEvytZhe61FPjIfjgsokxw/K5a3/qceq07tDi1G3bURb/x9k1t1TLHvC6TrKDlmL+OYLwIDAQAB');
        const pkcs8 = await subtle.exportKey('pkcs8', sign), again = await subtle.importKey('pkcs8', pkcs8, { name: v15, hash: 'SHA-1' }, true, ['sign']);
        same(await subtle.exportKey('jwk', again), { alg: 'RS1', d: key.d, dp: key.dp, dq: key.dq, e, kty, n, p: key.p, q: key.q, qi: key.qi, ext: true, key_ops: ['sign'] });
        same(await subtle.exportKey('jwk', seal), { alg: 'RSA-OAEP-256', e, kty, n, ext: true, key_ops: ['encrypt'] });
        const { name, modulusLength, publicExponent, hash } = again.algorithm; same([name, modulusLength, [...publicExponent], hash], [v15, 2048, [1, 0, 1], { name: 'SHA-1' }]);
        // The primes can be found again; what does not go together is no key.
        const few = await jwk({ name: v15, hash: 'SHA-1' }, { kty, n, e, d: key.d }, 'sign'); equal(new Uint8Array(await subtle.sign(v15, few, data)).toBase64(), signatures['SHA-1']);
        for (const bad of [{ ...key, p: undefined }, { ...key, dq: key.dp }, { ...key, d: key.n }, { ...key, n: key.p }, { ...key, e: 'AA' }, { ...key, n: 'a+b' }])
          await rejects(jwk({ name: v15, hash: 'SHA-1' }, bad, 'sign'), 'DataError');
        await rejects(jwk({ name: v15, hash: 'SHA-1' }, { ...key, oth: [] }, 'sign'), 'NotSupportedError');
        "#,
    );
}

#[test]
fn rsa_key_pairs_are_made_on_a_thread() {
    check(
        r#"
        const made = (more, usages = ['sign', 'verify']) =>
          subtle.generateKey({ name: 'RSA-PSS', modulusLength: 1024, publicExponent: un('010001'), hash: 'SHA-256', ...more }, false, usages);
        const { publicKey, privateKey } = await made({}); same([publicKey.type, publicKey.extractable, publicKey.usages], ['public', true, ['verify']]);
        same([privateKey.type, privateKey.extractable, privateKey.usages], ['private', false, ['sign']]); equal(publicKey.algorithm.modulusLength, 1024);
        const params = { name: 'RSA-PSS', saltLength: 8 }, data = utf8('data'); ok(await subtle.verify(params, publicKey, await subtle.sign(params, privateKey, data), data));
        equal((await made({ publicExponent: un('03') })).publicKey.algorithm.publicExponent.toHex(), '03');
        for (const publicExponent of [un('01'), un('00'), un('010000'), un(''), new Uint8Array(40).fill(1)]) await rejects(made({ publicExponent }), 'OperationError');
        for (const modulusLength of [0, 256, 100000]) await rejects(made({ modulusLength }), 'OperationError');
        await rejects(made({ publicExponent: [1, 0, 1] }), 'TypeError'); await rejects(made({ hash: 'MD5' }), 'NotSupportedError');
        await rejects(made({}, ['verify']), 'SyntaxError'); await rejects(made({}, []), 'SyntaxError'); await rejects(made({}, ['sign', 'encrypt']), 'SyntaxError');
        await rejects(subtle.exportKey('pkcs8', privateKey), 'InvalidAccessError'); await rejects(subtle.exportKey('pkcs8', publicKey), 'InvalidAccessError');
        await rejects(subtle.exportKey('raw', publicKey), 'NotSupportedError');
        "#,
    );
}

#[test]
fn elliptic_curves_agree_with_openssl_and_keys_go_round() {
    check(
        r#"
        const data = utf8('sample'), all = [
          { hash: 'SHA-512', signature: 'pUD2fpSzWhrydp3cMbtQcSolcjBQng6hyxheRXbgugmdom2eStiSkOG8Lugtgbst5EHh4tAOSKmuQlQO5bbuOw==',
            key: { kty: 'EC', crv: 'P-256', x: 'RqhYTOgKVYOA60xPnsohDlzuBzh_9CXodgeExp7WBDg', y: 'Ap7YejiYdNoRahOFJkHALZLiabEMD3rykBUNZ_jGwyE', d: 'f1Jq2FExI-vQn8FfRrq-TdxJS54jVN3q9nf_rYMPpfU' },
            pkcs8: 'MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgf1Jq2FExI+vQn8FfRrq+TdxJS54jVN3q9nf/rYMPpfWhRANCAARGqFhM6ApVg4DrTE+eyiEOXO4HOH/0Jeh2B4TGntYEOAKe2Ho4mHTaEWoThSZBwC2S4mmxDA968pAVDWf4xsMh',
            other: { kty: 'EC', crv: 'P-256', x: 's5-AJAtVhabC7mlNs-5XAioe60w8elr-WzIQJNMUk24', y: '2uUHXqE0jmlhv_XVhz3PxX26HrAHTVnYx_ssQYfJTzg' }, secret: '9059ec2011fd53fa4997b190702e229862bbe66f240cbac88b5e8acc0287d525' },
          { hash: 'SHA-1', signature: '95F/kObEeYMOCFw/Hn1Tl03zrPGNtSmZsi8LGntRolrjReqwD44RBm3/Jy1ovi3yus01SP5XIAYNys1AKn7BgbI9Biiop4SA0BlG1Wo3EC2K8R4vef5mULUYD5Kf456y',
            key: { kty: 'EC', crv: 'P-384', x: 'bQPiVk88N06W3DvZRXfXB_0PDDO7I81N-IrefPDNO3FuKGpef84kiEdQdUBj5fAg', y: 'cL3O8TYhGVys4TfbNnbHfCAcD4mCDNiD9-zjqEUThGmXO-OAF0gpyM6YG2h4k3ag', d: 'zMTPrU9qlabcrgNlKvpVjdZdIrD3t4BnaA5DcF7-xyial2bz0crK5t4cPbFvqY79' },
            pkcs8: 'MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDDMxM+tT2qVptyuA2Uq+lWN1l0isPe3gGdoDkNwXv7HKJqXZvPRysrm3hw9sW+pjv2hZANiAARtA+JWTzw3TpbcO9lFd9cH/Q8MM7sjzU34it588M07cW4oal5/ziSIR1B1QGPl8CBwvc7xNiEZXKzhN9s2dsd8IBwPiYIM2IP37OOoRROEaZc744AXSCnIzpgbaHiTdqA=',
            other: { kty: 'EC', crv: 'P-384', x: '4hWHGd4z0rfR0UnUQfpP06esJhU8Hul4qzDG3GKT2rb6UkdXTk3auWhQfRVbCoRG', y: 'wXS_K2kM_FY7hE4b8QiPjVRwvwmfcnzhZ7Cg9Hdm1yjH8CXt4dn9qQJWlPKyr7DH' }, secret: '0dc8a6017cd5c6b477f710e3bb45363ad44d7d9db848bc103b76df2c9dc17540dc1b12332c0f228ea07b0fd5c7ce5ff8' },
          { hash: 'SHA-256', signature: 'ACY5SAMG/328za+2KgzWtE2J2wZ++GuuDh9l9Wx5/hsRf+3WiO8hOuGe8lMQtEOHn9Yv4HhmN2zTs5UBTUxaa5wQAXIYOQ2yXIE6MHL7Rga3Hewtn5Yzv36hrPn4M1zme6+K1o/PYY25s9PnRB5nuDu8wxqr8D43Lu6CTizAdkBch4GY',
            key: { kty: 'EC', crv: 'P-521', x: 'AMuiRFFSjCcUTWiHhclwhr0Z8pRpuQME0bKBuD69FOML3jdjtSXDh9D9d7KCJ5VFwSD50Yuj7CG8hmon5xGY6evB', y: 'AMulRuBvBPhpL2QAHUtM69mhLIH1Gnc0sRN349TL9DzIjS9Y8jFBxjEbiACNS9AMHjgq_mOOOXBt_LL7yQqGoP2l', d: 'ARxkMA8lz6y-5XuW8BJByHLxR_b2fh-cI43G_bECGM_SH4fTDXqytAI1lORDCdwdO1f0Ol9klRXrMRLI8feST09m' },
            pkcs8: 'MIHuAgEAMBAGByqGSM49AgEGBSuBBAAjBIHWMIHTAgEBBEIBHGQwDyXPrL7le5bwEkHIcvFH9vZ+H5wjjcb9sQIYz9Ifh9MNerK0AjWU5EMJ3B07V/Q6X2SVFesxEsjx95JPT2ahgYkDgYYABADLokRRUownFE1oh4XJcIa9GfKUabkDBNGygbg+vRTjC943Y7Ulw4fQ/XeygieVRcEg+dGLo+whvIZqJ+cRmOnrwQDLpUbgbwT4aS9kAB1LTOvZoSyB9Rp3NLETd+PUy/Q8yI0vWPIxQcYxG4gAjUvQDB44Kv5jjjlwbfyy+8kKhqD9pQ==',
            other: { kty: 'EC', crv: 'P-521', x: 'ASNVWOlD1Jzj3fbp1btrGa00tYUcvJcf_eG3VkrATOYl2_fIFJ3PixeilwvvVEW-KeYpiUlya8a9QhlAsh_eMJro', y: 'AZn8tQoK3kI7L3eiTH-40u5tKxWN7scYxE7tFwnMzx9fdlvkb--jl1uGw_PtpH1jT2GJiAb8jHDbMo5CA4ieDK4G' }, secret: '0056cee86229852f413002703a39311a0ed2d060e55137e6ba33e90e0ad17e9aa8f08588e8311e16a476452c1875c36da783438e089faad5639e7927a11512cde42e' },
        ];
        for (const { hash, key, signature, pkcs8, other, secret } of all) {
          const { kty, crv, x, y } = key, ecdsa = { name: 'ECDSA', namedCurve: crv }, ecdh = { name: 'ECDH', namedCurve: crv }, params = { name: 'ECDSA', hash };
          const by = await jwk(ecdsa, key, 'sign'), of = await jwk(ecdsa, { kty, crv, x, y }, 'verify');
          equal(await subtle.verify(params, of, un64(signature), data), true); equal(await subtle.verify(params, of, un64(signature), utf8('x')), false);
          equal(await subtle.verify(params, of, un64(signature).slice(1), data), false); equal(await subtle.verify(params, of, new Uint8Array(un64(signature).length), data), false);
          for (const hash of ['SHA-1', 'SHA-256', 'SHA-384', 'SHA-512']) ok(await subtle.verify({ name: 'ECDSA', hash }, of, await subtle.sign({ name: 'ECDSA', hash }, by, data), data));
          equal(new Uint8Array(await subtle.exportKey('pkcs8', by)).toBase64(), pkcs8);
          const again = await subtle.importKey('pkcs8', un64(pkcs8), ecdh, true, ['deriveBits']); equal((await subtle.exportKey('jwk', again)).d, key.d);
          const theirs = await jwk(ecdh, other); equal(hex(await subtle.deriveBits({ name: 'ECDH', public: theirs }, again, null)), secret);
          equal(hex(await subtle.deriveBits({ name: 'ECDH', public: theirs }, again, 19)).slice(0, 4), secret.slice(0, 4));
          const raw = await subtle.exportKey('raw', theirs), point = new Uint8Array(raw), size = (point.length - 1) / 2;
          const packed = new Uint8Array([2 + (point.at(-1) & 1), ...point.subarray(1, 1 + size)]); equal((await subtle.exportKey('jwk', await subtle.importKey('raw', packed, ecdh, true, []))).y, other.y);
          same((await subtle.exportKey('jwk', await subtle.importKey('spki', await subtle.exportKey('spki', theirs), ecdh, true, []))).x, other.x);
          point[5] ^= 1; await rejects(subtle.importKey('raw', point, ecdh, true, []), 'DataError'); await rejects(subtle.importKey('raw', un('00'), ecdh, true, []), 'DataError');
          for (const bad of [{ ...key, d: other.x }, { ...key, y: x }, { ...key, crv: 'P-999' }, { ...key, alg: 'ES1' }, { ...key, x: undefined }]) await rejects(jwk(ecdsa, bad, 'sign'), 'DataError');
          await rejects(subtle.deriveBits({ name: 'ECDH', public: theirs }, again, size * 8 + 8), 'OperationError');
          await rejects(subtle.deriveBits({ name: 'ECDH', public: again }, again, 8), 'InvalidAccessError');
        }
        const [one, two] = await Promise.all(['P-256', 'P-384'].map((namedCurve) => subtle.generateKey({ name: 'ECDH', namedCurve }, false, ['deriveKey', 'deriveBits'])));
        same([one.publicKey.usages, one.privateKey.usages, one.publicKey.algorithm], [[], ['deriveKey', 'deriveBits'], { name: 'ECDH', namedCurve: 'P-256' }]);
        await rejects(subtle.deriveBits({ name: 'ECDH', public: two.publicKey }, one.privateKey, 8), 'InvalidAccessError');
        for (const namedCurve of ['P-512', 'p-256', 'secp256k1']) await rejects(subtle.generateKey({ name: 'ECDSA', namedCurve }, true, ['sign']), 'NotSupportedError');
        // RFC 6979 section A.2.5.
        const known = await subtle.importKey('raw', un('0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb67903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299'), { name: 'ECDSA', namedCurve: 'P-256' }, true, ['verify']);
        ok(await subtle.verify({ name: 'ECDSA', hash: 'SHA-256' }, known, un('efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8'), data));
        "#,
    );
}

#[test]
fn ed25519_of_rfc_8032() {
    check(
        r#"
        const seed = '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb', point = '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c';
        const signature = '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00';
        const by = await subtle.importKey('pkcs8', un('302e020100300506032b657004220420' + seed), 'Ed25519', true, ['sign']), of = await raw('Ed25519', un(point), 'verify');
        equal(hex(await subtle.sign('Ed25519', by, un('72'))), signature); equal(await subtle.verify('Ed25519', of, un(signature), un('72')), true);
        equal(await subtle.verify('Ed25519', of, un(signature), un('73')), false); equal(await subtle.verify('Ed25519', of, un(signature).slice(1), un('72')), false);
        equal(hex(await subtle.exportKey('spki', of)), '302a300506032b6570032100' + point); equal(hex(await subtle.exportKey('pkcs8', by)), '302e020100300506032b657004220420' + seed);
        const key = await subtle.exportKey('jwk', by); same([key.kty, key.crv, un64(key.x.replaceAll('-', '+').replaceAll('_', '/') + '=').toHex()], ['OKP', 'Ed25519', point]);
        equal(hex(await subtle.sign('ed25519', await jwk('Ed25519', { ...key, alg: 'EdDSA' }, 'sign'), un('72'))), signature); same(by.algorithm, { name: 'Ed25519' });
        for (const bad of [{ ...key, crv: 'X25519' }, { ...key, alg: 'ES256' }, { ...key, d: key.x }, { ...key, x: key.x.slice(4) }]) await rejects(jwk('Ed25519', bad, 'sign'), 'DataError');
        await rejects(subtle.importKey('pkcs8', un('302e020100300506032b656e04220420' + seed), 'Ed25519', true, ['sign']), 'DataError');
        // A point of small order signs nothing.
        const zero = await raw('Ed25519', un('01' + '00'.repeat(31)), 'verify'); equal(await subtle.verify('Ed25519', zero, un('01' + '00'.repeat(63)), un('72')), false);
        const pair = await subtle.generateKey('Ed25519', false, ['sign', 'verify']); ok(await subtle.verify('Ed25519', pair.publicKey, await subtle.sign('Ed25519', pair.privateKey, un('00')), un('00')));
        "#,
    );
}

#[test]
fn x25519_of_rfc_7748() {
    check(
        r#"
        // Section 5.2, one iteration.
        const nine = '09' + '00'.repeat(31), head = '302e020100300506032b656e04220420';
        const mine = await subtle.importKey('pkcs8', un(head + nine), 'X25519', true, ['deriveBits', 'deriveKey']), of = { name: 'X25519', public: await raw('X25519', un(nine)) };
        const secret = '422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079'; equal(hex(await subtle.deriveBits(of, mine, null)), secret);
        equal(hex(await subtle.deriveBits(of, mine)), secret); equal(hex(await subtle.deriveBits(of, mine, 9)), '4200'); equal((await subtle.deriveBits(of, mine, 0)).byteLength, 0);
        await rejects(subtle.deriveBits(of, mine, 264), 'OperationError'); await rejects(subtle.deriveBits({ name: 'X25519', public: mine }, mine, 8), 'InvalidAccessError');
        await rejects(subtle.deriveBits({ name: 'X25519', public: 1 }, mine, 8), 'TypeError');
        // Points of small order.
        for (const point of ['00'.repeat(32), '01' + '00'.repeat(31), 'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f'])
          await rejects(subtle.deriveBits({ name: 'X25519', public: await raw('X25519', un(point)) }, mine, null), 'OperationError');
        const [a, b] = await Promise.all([1, 2].map(() => subtle.generateKey('X25519', true, ['deriveKey']))), made = { name: 'AES-GCM', length: 256 };
        const [one, two] = await Promise.all([[a, b], [b, a]].map(([x, y]) => subtle.deriveKey({ name: 'X25519', public: y.publicKey }, x.privateKey, made, true, ['encrypt'])));
        equal(hex(await subtle.exportKey('raw', one)), hex(await subtle.exportKey('raw', two)));
        const key = await subtle.exportKey('jwk', a.privateKey); same([key.kty, key.crv, key.key_ops], ['OKP', 'X25519', ['deriveKey']]); await jwk('X25519', key, 'deriveKey');
        "#,
    );
}
