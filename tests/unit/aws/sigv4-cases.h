/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Requests with known signatures.  The first rows carry the values of AWS's published test suite for
 * Signature Version 4 (RAW: the path is not encoded yet); the rows after them were checked against botocore.
 * Access key AKIDEXAMPLE throughout.
 */
#include <stdint.h>

#define EXAMPLE_SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

enum { RAW = 1, NORMALIZE = 2, DOUBLE_ENCODE = 4 };

struct sigv4_case {
        const char *name, *service, *region, *secret;
        int64_t wall_s;
        unsigned flags;
        const char *method, *url;
        const char *headers[10][2]; /* name, value; ends with a NULL */
        const char *body;
        const char *canonical, *canonical_hash, *signature;
};

static const struct sigv4_case sigv4_cases[] = {
        { "get header key duplicate",
          "service",
          "us-east-1",
          EXAMPLE_SECRET,
          1440938160,
          RAW | NORMALIZE,
          "GET",
          "https://example.amazonaws.com/",
          { { "Host", "example.amazonaws.com" },
            { "My-Header1", "value2" },
            { "My-Header1", "value2" },
            { "My-Header1", "value1" },
            { "X-Amz-Date", "20150830T123600Z" } },
          "",
          "GET\n"
          "/\n"
          "\n"
          "host:example.amazonaws.com\n"
          "my-header1:value2,value2,value1\n"
          "x-amz-date:20150830T123600Z\n"
          "\n"
          "host;my-header1;x-amz-date\n"
          "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
          "dc7f04a3abfde8d472b0ab1a418b741b7c67174dad1551b4117b15527fbe966c",
          "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea" },
        { "get header value order",
          "service",
          "us-east-1",
          EXAMPLE_SECRET,
          1440938160,
          RAW | NORMALIZE,
          "GET",
          "https://example.amazonaws.com/",
          { { "Host", "example.amazonaws.com" },
            { "My-Header1", "value4" },
            { "My-Header1", "value1" },
            { "My-Header1", "value3" },
            { "My-Header1", "value2" },
            { "X-Amz-Date", "20150830T123600Z" } },
          "",
          "GET\n"
          "/\n"
          "\n"
          "host:example.amazonaws.com\n"
          "my-header1:value4,value1,value3,value2\n"
          "x-amz-date:20150830T123600Z\n"
          "\n"
          "host;my-header1;x-amz-date\n"
          "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
          "31ce73cd3f3d9f66977ad3dd957dc47af14df92fcd8509f59b349e9137c58b86",
          "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01" },
        { "get header value trim",
          "service",
          "us-east-1",
          EXAMPLE_SECRET,
          1440938160,
          RAW | NORMALIZE,
          "GET",
          "https://example.amazonaws.com/",
          { { "Host", "example.amazonaws.com" },
            { "My-Header1", " value1" },
            { "My-Header2", " \"a   b   c\"" },
            { "X-Amz-Date", "20150830T123600Z" } },
          "",
          "GET\n"
          "/\n"
          "\n"
          "host:example.amazonaws.com\n"
          "my-header1:value1\n"
          "my-header2:\"a b c\"\n"
          "x-amz-date:20150830T123600Z\n"
          "\n"
          "host;my-header1;my-header2;x-amz-date\n"
          "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
          "a726db9b0df21c14f559d0a978e563112acb1b9e05476f0a6a1c7d68f28605c7",
          "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736" },
        { "get relative normalized",
          "service",
          "us-east-1",
          EXAMPLE_SECRET,
          1440938160,
          RAW | NORMALIZE,
          "GET",
          "https://example.amazonaws.com/example/..",
          { { "Host", "example.amazonaws.com" }, { "X-Amz-Date", "20150830T123600Z" } },
          "",
          "GET\n"
          "/\n"
          "\n"
          "host:example.amazonaws.com\n"
          "x-amz-date:20150830T123600Z\n"
          "\n"
          "host;x-amz-date\n"
          "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
          "bb579772317eb040ac9ed261061d46c1f17a8133879d6129b6e1c25292927e63",
          "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31" },
        { "get relative relative normalized",
          "service",
          "us-east-1",
          EXAMPLE_SECRET,
          1440938160,
          RAW | NORMALIZE,
          "GET",
          "https://example.amazonaws.com/example1/example2/../..",
          { { "Host", "example.amazonaws.com" }, { "X-Amz-Date", "20150830T123600Z" } },
          "",
          "GET\n"
          "/\n"
          "\n"
          "host:example.amazonaws.com\n"
          "x-amz-date:20150830T123600Z\n"
          "\n"
          "host;x-amz-date\n"
          "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
          "bb579772317eb040ac9ed261061d46c1f17a8133879d6129b6e1c25292927e63",
          "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31" },
        { "get relative unnormalized",
          "service",
          "us-east-1",
          EXAMPLE_SECRET,
          1440938160,
          RAW,
          "GET",
          "https://example.amazonaws.com/example/..",
          { { "Host", "example.amazonaws.com" }, { "X-Amz-Date", "20150830T123600Z" } },
          "",
          "GET\n"
          "/example/..\n"
          "\n"
          "host:example.amazonaws.com\n"
          "x-amz-date:20150830T123600Z\n"
          "\n"
          "host;x-amz-date\n"
          "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
          "0511f456aa502b456d135fcb9d749374a55228f9dbeedda1eacf659e05b0615b",
          "eca7ead57bb5aa5c8e28007acd4ff04e1ff9a0ff3b237ec1554a184887ff9282" },
        { "get slash dot slash normalized",
          "service",
          "us-east-1",
          EXAMPLE_SECRET,
          1440938160,
          RAW | NORMALIZE,
          "GET",
          "https://example.amazonaws.com/./",
          { { "Host", "example.amazonaws.com" }, { "X-Amz-Date", "20150830T123600Z" } },
          "",
          "GET\n"
          "/\n"
          "\n"
          "host:example.amazonaws.com\n"
          "x-amz-date:20150830T123600Z\n"
          "\n"
          "host;x-amz-date\n"
          "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
          "bb579772317eb040ac9ed261061d46c1f17a8133879d6129b6e1c25292927e63",
          "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31" },
        { "get slash dot slash unnormalized",
          "service",
          "us-east-1",
          EXAMPLE_SECRET,
          1440938160,
          RAW,
          "GET",
          "https://example.amazonaws.com/./",
          { { "Host", "example.amazonaws.com" }, { "X-Amz-Date", "20150830T123600Z" } },
          "",
          "GET\n"
          "/./\n"
          "\n"
          "host:example.amazonaws.com\n"
          "x-amz-date:20150830T123600Z\n"
          "\n"
          "host;x-amz-date\n"
          "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
          "d67825e2268bd77a97c7688b8d72c31a3c1855b309808505ba0a9747d2465aa7",
          "68714168e6557f8f2de0ef956fc24dc2593a4bd2961f8df51898d8a134695145" },
        { "get slash normalized",
          "service",
          "us-east-1",
          EXAMPLE_SECRET,
          1440938160,
          RAW | NORMALIZE,
          "GET",
          "https://example.amazonaws.com//",
          { { "Host", "example.amazonaws.com" }, { "X-Amz-Date", "20150830T123600Z" } },
          "",
          "GET\n"
          "/\n"
          "\n"
          "host:example.amazonaws.com\n"
          "x-amz-date:20150830T123600Z\n"
          "\n"
          "host;x-amz-date\n"
          "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
          "bb579772317eb040ac9ed261061d46c1f17a8133879d6129b6e1c25292927e63",
          "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31" },
        { "get slash pointless dot normalized",
          "service",
          "us-east-1",
          EXAMPLE_SECRET,
          1440938160,
          RAW | NORMALIZE,
          "GET",
          "https://example.amazonaws.com/./example",
          { { "Host", "example.amazonaws.com" }, { "X-Amz-Date", "20150830T123600Z" } },
          "",
          "GET\n"
          "/example\n"
          "\n"
          "host:example.amazonaws.com\n"
          "x-amz-date:20150830T123600Z\n"
          "\n"
          "host;x-amz-date\n"
          "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
          "214d50c111a8edc4819da6a636336472c916b5240f51e9a51b5c3305180cf702",
          "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5" },
        { "get slash pointless dot unnormalized",
          "service",
          "us-east-1",
          EXAMPLE_SECRET,
          1440938160,
          RAW,
          "GET",
          "https://example.amazonaws.com/./example",
          { { "Host", "example.amazonaws.com" }, { "X-Amz-Date", "20150830T123600Z" } },
          "",
          "GET\n"
          "/./example\n"
          "\n"
          "host:example.amazonaws.com\n"
          "x-amz-date:20150830T123600Z\n"
          "\n"
          "host;x-amz-date\n"
          "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
          "73895e0e829507e28e39fd24669aedc2434a8e179e547e3c075b42921f952cdb",
          "beb03f223f7deae4146464f06e29eebbee9c8afbe15c290cf07aa8b119e14cff" },
        { "get slash unnormalized",
          "service",
          "us-east-1",
          EXAMPLE_SECRET,
          1440938160,
          RAW,
          "GET",
          "https://example.amazonaws.com//",
          { { "Host", "example.amazonaws.com" }, { "X-Amz-Date", "20150830T123600Z" } },
          "",
          "GET\n"
          "//\n"
          "\n"
          "host:example.amazonaws.com\n"
          "x-amz-date:20150830T123600Z\n"
          "\n"
          "host;x-amz-date\n"
          "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
          "80cb39203d058af815de2b79250ff56e1b73eb9b4718c86556cdc6f150c5d209",
          "c88bcd3d312d75078c0cd961d6deae3f4c754924b01669efcfcb439fd5e5b76e" },
        { "get slashes normalized",
          "service",
          "us-east-1",
          EXAMPLE_SECRET,
          1440938160,
          RAW | NORMALIZE,
          "GET",
          "https://example.amazonaws.com//example//",
          { { "Host", "example.amazonaws.com" }, { "X-Amz-Date", "20150830T123600Z" } },
          "",
          "GET\n"
          "/example/\n"
          "\n"
          "host:example.amazonaws.com\n"
          "x-amz-date:20150830T123600Z\n"
          "\n"
          "host;x-amz-date\n"
          "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
          "cb96b4ac96d501f7c5c15bc6d67b3035061cfced4af6585ad927f7e6c985c015",
          "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84" },
        { "get space normalized",
          "service",
          "us-east-1",
          EXAMPLE_SECRET,
          1440938160,
          RAW | NORMALIZE,
          "GET",
          "https://example.amazonaws.com/example space/",
          { { "Host", "example.amazonaws.com" }, { "X-Amz-Date", "20150830T123600Z" } },
          "",
          "GET\n"
          "/example%20space/\n"
          "\n"
          "host:example.amazonaws.com\n"
          "x-amz-date:20150830T123600Z\n"
          "\n"
          "host;x-amz-date\n"
          "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
          "63ee75631ed7234ae61b5f736dfc7754cdccfedbff4b5128a915706ee9390d86",
          "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741" },
        { "get unreserved",
          "service",
          "us-east-1",
          EXAMPLE_SECRET,
          1440938160,
          RAW | NORMALIZE,
          "GET",
          "https://example.amazonaws.com/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnop"
          "qrstuvwxyz",
          { { "Host", "example.amazonaws.com" }, { "X-Amz-Date", "20150830T123600Z" } },
          "",
          "GET\n"
          "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz\n"
          "\n"
          "host:example.amazonaws.com\n"
          "x-amz-date:20150830T123600Z\n"
          "\n"
          "host;x-amz-date\n"
          "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
          "6a968768eefaa713e2a6b16b589a8ea192661f098f37349f4e2c0082757446f9",
          "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f" },
        { "get vanilla",
          "service",
          "us-east-1",
          EXAMPLE_SECRET,
          1440938160,
          RAW | NORMALIZE,
          "GET",
          "https://example.amazonaws.com/",
          { { "Host", "example.amazonaws.com" }, { "X-Amz-Date", "20150830T123600Z" } },
          "",
          "GET\n"
          "/\n"
          "\n"
          "host:example.amazonaws.com\n"
          "x-amz-date:20150830T123600Z\n"
          "\n"
          "host;x-amz-date\n"
          "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
          "bb579772317eb040ac9ed261061d46c1f17a8133879d6129b6e1c25292927e63",
          "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31" },
        { "get vanilla empty query key",
          "service",
          "us-east-1",
          EXAMPLE_SECRET,
          1440938160,
          RAW | NORMALIZE,
          "GET",
          "https://example.amazonaws.com/?Param1=value1",
          { { "Host", "example.amazonaws.com" }, { "X-Amz-Date", "20150830T123600Z" } },
          "",
          "GET\n"
          "/\n"
          "Param1=value1\n"
          "host:example.amazonaws.com\n"
          "x-amz-date:20150830T123600Z\n"
          "\n"
          "host;x-amz-date\n"
          "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
          "1e24db194ed7d0eec2de28d7369675a243488e08526e8c1c73571282f7c517ab",
          "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb" },
        { "get vanilla query",
          "service",
          "us-east-1",
          EXAMPLE_SECRET,
          1440938160,
          RAW | NORMALIZE,
          "GET",
          "https://example.amazonaws.com/",
          { { "Host", "example.amazonaws.com" }, { "X-Amz-Date", "20150830T123600Z" } },
          "",
          "GET\n"
          "/\n"
          "\n"
          "host:example.amazonaws.com\n"
          "x-amz-date:20150830T123600Z\n"
          "\n"
          "host;x-amz-date\n"
          "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
          "bb579772317eb040ac9ed261061d46c1f17a8133879d6129b6e1c25292927e63",
          "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31" },
        { "get vanilla query order key case",
          "service",
          "us-east-1",
          EXAMPLE_SECRET,
          1440938160,
          RAW | NORMALIZE,
          "GET",
          "https://example.amazonaws.com/?Param2=value2&Param1=value1",
          { { "Host", "example.amazonaws.com" }, { "X-Amz-Date", "20150830T123600Z" } },
          "",
          "GET\n"
          "/\n"
          "Param1=value1&Param2=value2\n"
          "host:example.amazonaws.com\n"
          "x-amz-date:20150830T123600Z\n"
          "\n"
          "host;x-amz-date\n"
          "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
          "816cd5b414d056048ba4f7c5386d6e0533120fb1fcfa93762cf0fc39e2cf19e0",
          "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500" },
        { "get vanilla query unreserved",
          "service",
          "us-east-1",
          EXAMPLE_SECRET,
          1440938160,
          RAW | NORMALIZE,
          "GET",
          "https://example.amazonaws.com/?-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmno"
          "pqrstuvwxyz=-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
          { { "Host", "example.amazonaws.com" }, { "X-Amz-Date", "20150830T123600Z" } },
          "",
          "GET\n"
          "/\n"
          "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz=-._~0123456789ABCDE"
          "FGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz\n"
          "host:example.amazonaws.com\n"
          "x-amz-date:20150830T123600Z\n"
          "\n"
          "host;x-amz-date\n"
          "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
          "c30d4703d9f799439be92736156d47ccfb2d879ddf56f5befa6d1d6aab979177",
          "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197" },
        { "get vanilla with session token",
          "service",
          "us-east-1",
          EXAMPLE_SECRET,
          1440938160,
          RAW | NORMALIZE,
          "GET",
          "https://example.amazonaws.com/",
          { { "Host", "example.amazonaws.com" },
            { "X-Amz-Security-Token", "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267" },
            { "X-Amz-Date", "20150830T123600Z" } },
          "",
          "GET\n"
          "/\n"
          "\n"
          "host:example.amazonaws.com\n"
          "x-amz-date:20150830T123600Z\n"
          "x-amz-security-token:6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267"
          "\n"
          "\n"
          "host;x-amz-date;x-amz-security-token\n"
          "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
          "067b36aa60031588cea4a4cde1f21215227a047690c72247f1d70b32fbbfad2b",
          "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8" },
        { "post header key case",
          "service",
          "us-east-1",
          EXAMPLE_SECRET,
          1440938160,
          RAW | NORMALIZE,
          "POST",
          "https://example.amazonaws.com/",
          { { "Host", "example.amazonaws.com" }, { "X-Amz-Date", "20150830T123600Z" } },
          "",
          "POST\n"
          "/\n"
          "\n"
          "host:example.amazonaws.com\n"
          "x-amz-date:20150830T123600Z\n"
          "\n"
          "host;x-amz-date\n"
          "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
          "553f88c9e4d10fc9e109e2aeb65f030801b70c2f6468faca261d401ae622fc87",
          "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b" },
        { "post header value case",
          "service",
          "us-east-1",
          EXAMPLE_SECRET,
          1440938160,
          RAW | NORMALIZE,
          "POST",
          "https://example.amazonaws.com/",
          { { "Host", "example.amazonaws.com" }, { "My-Header1", "VALUE1" }, { "X-Amz-Date", "20150830T123600Z" } },
          "",
          "POST\n"
          "/\n"
          "\n"
          "host:example.amazonaws.com\n"
          "my-header1:VALUE1\n"
          "x-amz-date:20150830T123600Z\n"
          "\n"
          "host;my-header1;x-amz-date\n"
          "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
          "d51ced243e649e3de6ef63afbbdcbca03131a21a7103a1583706a64618606a93",
          "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d" },
        { "post sts header before",
          "service",
          "us-east-1",
          EXAMPLE_SECRET,
          1440938160,
          RAW | NORMALIZE,
          "POST",
          "https://example.amazonaws.com/",
          { { "Host", "example.amazonaws.com" },
            { "X-Amz-Security-Token",
              "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRX"
              "mxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburE"
              "Dy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL"
              "64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==" },
            { "X-Amz-Date", "20150830T123600Z" } },
          "",
          "POST\n"
          "/\n"
          "\n"
          "host:example.amazonaws.com\n"
          "x-amz-date:20150830T123600Z\n"
          "x-amz-security-token:AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwd"
          "QWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBm"
          "Upp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0r"
          "KwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj"
          "2ICCR/oLxBA==\n"
          "\n"
          "host;x-amz-date;x-amz-security-token\n"
          "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
          "c237e1b440d4c63c32ca95b5b99481081cb7b13c7e40434868e71567c1a882f6",
          "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead" },
        { "post vanilla",
          "service",
          "us-east-1",
          EXAMPLE_SECRET,
          1440938160,
          RAW | NORMALIZE,
          "POST",
          "https://example.amazonaws.com/",
          { { "Host", "example.amazonaws.com" }, { "X-Amz-Date", "20150830T123600Z" } },
          "",
          "POST\n"
          "/\n"
          "\n"
          "host:example.amazonaws.com\n"
          "x-amz-date:20150830T123600Z\n"
          "\n"
          "host;x-amz-date\n"
          "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
          "553f88c9e4d10fc9e109e2aeb65f030801b70c2f6468faca261d401ae622fc87",
          "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b" },
        { "post vanilla empty query value",
          "service",
          "us-east-1",
          EXAMPLE_SECRET,
          1440938160,
          RAW | NORMALIZE,
          "POST",
          "https://example.amazonaws.com/?Param1=value1",
          { { "Host", "example.amazonaws.com" }, { "X-Amz-Date", "20150830T123600Z" } },
          "",
          "POST\n"
          "/\n"
          "Param1=value1\n"
          "host:example.amazonaws.com\n"
          "x-amz-date:20150830T123600Z\n"
          "\n"
          "host;x-amz-date\n"
          "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
          "9d659678c1756bb3113e2ce898845a0a79dbbc57b740555917687f1b3340fbbd",
          "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11" },
        { "post vanilla query",
          "service",
          "us-east-1",
          EXAMPLE_SECRET,
          1440938160,
          RAW | NORMALIZE,
          "POST",
          "https://example.amazonaws.com/?Param1=value1",
          { { "Host", "example.amazonaws.com" }, { "X-Amz-Date", "20150830T123600Z" } },
          "",
          "POST\n"
          "/\n"
          "Param1=value1\n"
          "host:example.amazonaws.com\n"
          "x-amz-date:20150830T123600Z\n"
          "\n"
          "host;x-amz-date\n"
          "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
          "9d659678c1756bb3113e2ce898845a0a79dbbc57b740555917687f1b3340fbbd",
          "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11" },
        { "post x www form urlencoded",
          "service",
          "us-east-1",
          EXAMPLE_SECRET,
          1440938160,
          RAW | NORMALIZE,
          "POST",
          "https://example.amazonaws.com/",
          { { "Content-Type", "application/x-www-form-urlencoded" },
            { "Host", "example.amazonaws.com" },
            { "Content-Length", "13" },
            { "X-Amz-Date", "20150830T123600Z" },
            { "x-amz-content-sha256", "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e" } },
          "Param1=value1",
          "POST\n"
          "/\n"
          "\n"
          "content-length:13\n"
          "content-type:application/x-www-form-urlencoded\n"
          "host:example.amazonaws.com\n"
          "x-amz-content-sha256:9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e"
          "\n"
          "x-amz-date:20150830T123600Z\n"
          "\n"
          "content-length;content-type;host;x-amz-content-sha256;x-amz-date\n"
          "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e",
          "b1edd1d03544c25390e32085d55b57acc9a3961bb59415ff86c45c3d89d16cfb",
          "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b" },
        { "dynamodb post",
          "dynamodb",
          "eu-west-1",
          EXAMPLE_SECRET,
          1795193400,
          NORMALIZE | DOUBLE_ENCODE,
          "POST",
          "https://dynamodb.eu-west-1.amazonaws.com/",
          { { "amz-sdk-invocation-id", "2f5b0c52-9f0e-4f7a-8a2b-1d6a0c3b9e77" },
            { "amz-sdk-request", "attempt=1; max=4" },
            { "Content-Type", "application/x-amz-json-1.0" },
            { "host", "dynamodb.eu-west-1.amazonaws.com" },
            { "x-amz-date", "20261120T165000Z" },
            { "X-Amz-Target", "DynamoDB_20120810.GetItem" },
            { "User-Agent", "ddbfs/0.1.0" } },
          "{\"TableName\":\"Music\",\"Key\":{\"Artist\":{\"S\":\"No One You Know\"}}}",
          "POST\n"
          "/\n"
          "\n"
          "amz-sdk-invocation-id:2f5b0c52-9f0e-4f7a-8a2b-1d6a0c3b9e77\n"
          "amz-sdk-request:attempt=1; max=4\n"
          "content-type:application/x-amz-json-1.0\n"
          "host:dynamodb.eu-west-1.amazonaws.com\n"
          "x-amz-date:20261120T165000Z\n"
          "x-amz-target:DynamoDB_20120810.GetItem\n"
          "\n"
          "amz-sdk-invocation-id;amz-sdk-request;content-type;host;x-amz-date;x-amz-target\n"
          "7cc713acb60a6aafe02b440c725d0408891f36667c2d98234ec461d8dae23eb7",
          "ae072b40f2946085ac9fe74f85fc7554e1dbf9afac90eb00ae298fc5fb2fd432",
          "95e1fce1ba34fdbe899638ca722b4b05b1ac4359eac2a41b55a5bc397241f418" },
        { "dynamodb post with a session token",
          "dynamodb",
          "us-east-1",
          EXAMPLE_SECRET,
          1795193400,
          NORMALIZE | DOUBLE_ENCODE,
          "POST",
          "https://123456789012.ddb.us-east-1.amazonaws.com/",
          { { "amz-sdk-invocation-id", "2f5b0c52-9f0e-4f7a-8a2b-1d6a0c3b9e77" },
            { "amz-sdk-request", "attempt=1; max=4" },
            { "Content-Type", "application/x-amz-json-1.0" },
            { "host", "123456789012.ddb.us-east-1.amazonaws.com" },
            { "x-amz-date", "20261120T165000Z" },
            { "x-amz-security-token", "IQoJb3JpZ2luX2VjEXAMPLE//////////wEaCXVzLWVhc3QtMSJHMEUCIQ==" },
            { "X-Amz-Target", "DynamoDB_20120810.GetItem" },
            { "User-Agent", "ddbfs/0.1.0" } },
          "{\"TableName\":\"Music\"}",
          "POST\n"
          "/\n"
          "\n"
          "amz-sdk-invocation-id:2f5b0c52-9f0e-4f7a-8a2b-1d6a0c3b9e77\n"
          "amz-sdk-request:attempt=1; max=4\n"
          "content-type:application/x-amz-json-1.0\n"
          "host:123456789012.ddb.us-east-1.amazonaws.com\n"
          "x-amz-date:20261120T165000Z\n"
          "x-amz-security-token:IQoJb3JpZ2luX2VjEXAMPLE//////////wEaCXVzLWVhc3QtMSJHMEUCIQ==\n"
          "x-amz-target:DynamoDB_20120810.GetItem\n"
          "\n"
          "amz-sdk-invocation-id;amz-sdk-request;content-type;host;x-amz-date;x-amz-security-toke"
          "n;x-amz-target\n"
          "6b140459926d5b244a92626dd8d74fa6c3ddd91f508085b8e9e0a164221dba3a",
          "55f4cee52cc3b5e5b6fd048dc9dbd94c1b56f306cfaecbe895d1541f17a92241",
          "b9b6f582b19f2c81a7333e30824b2e3e3a4f3a85a38ee7122a8be31c5896c339" },
        { "dynamodb at a port, empty path",
          "dynamodb",
          "us-east-1",
          EXAMPLE_SECRET,
          1795193400,
          NORMALIZE | DOUBLE_ENCODE,
          "POST",
          "http://localhost:8000",
          { { "amz-sdk-invocation-id", "2f5b0c52-9f0e-4f7a-8a2b-1d6a0c3b9e77" },
            { "amz-sdk-request", "attempt=1; max=4" },
            { "Content-Type", "application/x-amz-json-1.0" },
            { "host", "localhost:8000" },
            { "x-amz-date", "20261120T165000Z" },
            { "X-Amz-Target", "DynamoDB_20120810.GetItem" },
            { "User-Agent", "ddbfs/0.1.0" } },
          "{}",
          "POST\n"
          "/\n"
          "\n"
          "amz-sdk-invocation-id:2f5b0c52-9f0e-4f7a-8a2b-1d6a0c3b9e77\n"
          "amz-sdk-request:attempt=1; max=4\n"
          "content-type:application/x-amz-json-1.0\n"
          "host:localhost:8000\n"
          "x-amz-date:20261120T165000Z\n"
          "x-amz-target:DynamoDB_20120810.GetItem\n"
          "\n"
          "amz-sdk-invocation-id;amz-sdk-request;content-type;host;x-amz-date;x-amz-target\n"
          "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
          "73fd3984bf02026b9ae3e9731c33fcb2a3c4303f9084c11a9dfecbfebfb10c18",
          "a49bdd2618198848070b04f5cb8c98b9a5b845bc4fe679a8abf375bb9571723d" },
        { "secret of one hash block less the prefix",
          "dynamodb",
          "us-east-1",
          "ssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss",
          1795193400,
          NORMALIZE | DOUBLE_ENCODE,
          "POST",
          "http://localhost:8000/",
          { { "amz-sdk-invocation-id", "2f5b0c52-9f0e-4f7a-8a2b-1d6a0c3b9e77" },
            { "amz-sdk-request", "attempt=1; max=4" },
            { "Content-Type", "application/x-amz-json-1.0" },
            { "host", "localhost:8000" },
            { "x-amz-date", "20261120T165000Z" },
            { "X-Amz-Target", "DynamoDB_20120810.GetItem" },
            { "User-Agent", "ddbfs/0.1.0" } },
          "{}",
          "POST\n"
          "/\n"
          "\n"
          "amz-sdk-invocation-id:2f5b0c52-9f0e-4f7a-8a2b-1d6a0c3b9e77\n"
          "amz-sdk-request:attempt=1; max=4\n"
          "content-type:application/x-amz-json-1.0\n"
          "host:localhost:8000\n"
          "x-amz-date:20261120T165000Z\n"
          "x-amz-target:DynamoDB_20120810.GetItem\n"
          "\n"
          "amz-sdk-invocation-id;amz-sdk-request;content-type;host;x-amz-date;x-amz-target\n"
          "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
          "73fd3984bf02026b9ae3e9731c33fcb2a3c4303f9084c11a9dfecbfebfb10c18",
          "e078f81e34237d2348149cb1e36fa504beba91b3ee64e29055b1ade8c3f0f849" },
        { "secret longer than a hash block",
          "dynamodb",
          "us-east-1",
          "Secret/+Secret/+Secret/+Secret/+Secret/+Secret/+Secret/+Secret/+Secret/+Secret/+Secret"
          "/+Secret/+Secret/+Secret/+Secret/+Secret/+",
          1795193400,
          NORMALIZE | DOUBLE_ENCODE,
          "POST",
          "http://localhost:8000/",
          { { "amz-sdk-invocation-id", "2f5b0c52-9f0e-4f7a-8a2b-1d6a0c3b9e77" },
            { "amz-sdk-request", "attempt=1; max=4" },
            { "Content-Type", "application/x-amz-json-1.0" },
            { "host", "localhost:8000" },
            { "x-amz-date", "20261120T165000Z" },
            { "X-Amz-Target", "DynamoDB_20120810.GetItem" },
            { "User-Agent", "ddbfs/0.1.0" } },
          "{}",
          "POST\n"
          "/\n"
          "\n"
          "amz-sdk-invocation-id:2f5b0c52-9f0e-4f7a-8a2b-1d6a0c3b9e77\n"
          "amz-sdk-request:attempt=1; max=4\n"
          "content-type:application/x-amz-json-1.0\n"
          "host:localhost:8000\n"
          "x-amz-date:20261120T165000Z\n"
          "x-amz-target:DynamoDB_20120810.GetItem\n"
          "\n"
          "amz-sdk-invocation-id;amz-sdk-request;content-type;host;x-amz-date;x-amz-target\n"
          "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
          "73fd3984bf02026b9ae3e9731c33fcb2a3c4303f9084c11a9dfecbfebfb10c18",
          "dee44b5c84f181e2b6a9cbd4549cc219adebd1b67b4e980c3880fa5303bbfd52" },
        { "path is encoded twice",
          "execute",
          "us-west-2",
          EXAMPLE_SECRET,
          1795193400,
          NORMALIZE | DOUBLE_ENCODE,
          "GET",
          "https://example.com/a%20b/c%2Fd//./e/../%E1%88%B4/",
          { { "host", "example.com" }, { "x-amz-date", "20261120T165000Z" } },
          "",
          "GET\n"
          "/a%2520b/c%252Fd/%25E1%2588%25B4/\n"
          "\n"
          "host:example.com\n"
          "x-amz-date:20261120T165000Z\n"
          "\n"
          "host;x-amz-date\n"
          "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
          "193befdc3c977bd459d44c2193f637ca0ba8bda59caab649e9a5cf4ecb6f38a1",
          "ff5eb5c3cd7cdcdba8fe30ee11b80494e74d40c2ceab8c7e7d929dbdd65a3c27" },
        { "query sorted by name, then value",
          "execute",
          "us-west-2",
          EXAMPLE_SECRET,
          1795193400,
          NORMALIZE | DOUBLE_ENCODE,
          "GET",
          "https://example.com/?b=2&a=2&a=1&B=3&a-b=4&a=",
          { { "host", "example.com" }, { "x-amz-date", "20261120T165000Z" } },
          "",
          "GET\n"
          "/\n"
          "B=3&a=&a=1&a=2&a-b=4&b=2\n"
          "host:example.com\n"
          "x-amz-date:20261120T165000Z\n"
          "\n"
          "host;x-amz-date\n"
          "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
          "dc7a441b289f5beb3660672c079fcb0c2dd4d74badf0e5ed7313a3804a119a02",
          "e3a3c83848bc6bba41ab4b1552e9857bea910ac89f55c572f543ea2f15e7b8e4" },
        { "s3 put",
          "s3",
          "us-east-1",
          EXAMPLE_SECRET,
          1795193400,
          0,
          "PUT",
          "https://examplebucket.s3.us-east-1.amazonaws.com/test%24file.text",
          { { "host", "examplebucket.s3.us-east-1.amazonaws.com" },
            { "x-amz-content-sha256", "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072" },
            { "x-amz-date", "20261120T165000Z" },
            { "x-amz-storage-class", "REDUCED_REDUNDANCY" } },
          "Welcome to Amazon S3.",
          "PUT\n"
          "/test%24file.text\n"
          "\n"
          "host:examplebucket.s3.us-east-1.amazonaws.com\n"
          "x-amz-content-sha256:44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"
          "\n"
          "x-amz-date:20261120T165000Z\n"
          "x-amz-storage-class:REDUCED_REDUNDANCY\n"
          "\n"
          "host;x-amz-content-sha256;x-amz-date;x-amz-storage-class\n"
          "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
          "7f72508cb778864797880e17b5f2eb46725fb1c3d7319c8d943a6bce3ef5d8dc",
          "c567788ab44cbf2b647f701bad19e13f876436c8347a062329078635689c03ca" },
        { "s3 path as it is sent",
          "s3",
          "us-east-1",
          EXAMPLE_SECRET,
          1795193400,
          0,
          "GET",
          "https://s3.us-east-1.amazonaws.com/bucket//a/./b/../c%20d/%E1%88%B4/%2B+/",
          { { "host", "s3.us-east-1.amazonaws.com" },
            { "Range", "bytes=0-9" },
            { "x-amz-content-sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
            { "x-amz-date", "20261120T165000Z" } },
          "",
          "GET\n"
          "/bucket//a/./b/../c%20d/%E1%88%B4/%2B+/\n"
          "\n"
          "host:s3.us-east-1.amazonaws.com\n"
          "range:bytes=0-9\n"
          "x-amz-content-sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
          "\n"
          "x-amz-date:20261120T165000Z\n"
          "\n"
          "host;range;x-amz-content-sha256;x-amz-date\n"
          "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
          "ad165ad9fc109da77a12e49273076d009c9996907b7b6b7cbdb13f34ffb0cfd6",
          "74f35051c2f432a5f43c54ce2d2ff3117396b407e1b47dddf8337e5701f24d68" },
        { "s3 list",
          "s3",
          "eu-central-1",
          EXAMPLE_SECRET,
          1795193400,
          0,
          "GET",
          "https://b.s3.eu-central-1.amazonaws.com/?list-type=2&prefix=a%2Fb%20c%2B&delimiter=%2F"
          "&max-keys=1000&encoding-type=url&start-after=%E1%88%B4",
          { { "x-amz-content-sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
            { "x-amz-date", "20261120T165000Z" },
            { "x-amz-security-token", "IQoJb3JpZ2luX2VjEXAMPLE//////////wEaCXVzLWVhc3QtMSJHMEUCIQ==" } },
          "",
          "GET\n"
          "/\n"
          "delimiter=%2F&encoding-type=url&list-type=2&max-keys=1000&prefix=a%2Fb%20c%2B&start-af"
          "ter=%E1%88%B4\n"
          "host:b.s3.eu-central-1.amazonaws.com\n"
          "x-amz-content-sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
          "\n"
          "x-amz-date:20261120T165000Z\n"
          "x-amz-security-token:IQoJb3JpZ2luX2VjEXAMPLE//////////wEaCXVzLWVhc3QtMSJHMEUCIQ==\n"
          "\n"
          "host;x-amz-content-sha256;x-amz-date;x-amz-security-token\n"
          "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
          "022f05ef37ed5275efc8e647c5a21ed4b46e592791f236b165d0b500e589c67b",
          "62c78836a7eb1c688e3e435f53603769f4a2c48738d9507a49d5ea17fc91916e" },
        { "s3 sub-resource without a value",
          "s3",
          "us-east-1",
          EXAMPLE_SECRET,
          1795193400,
          0,
          "POST",
          "https://b.s3.us-east-1.amazonaws.com/k?uploads",
          { { "host", "b.s3.us-east-1.amazonaws.com" },
            { "x-amz-content-sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
            { "x-amz-date", "20261120T165000Z" } },
          "",
          "POST\n"
          "/k\n"
          "uploads=\n"
          "host:b.s3.us-east-1.amazonaws.com\n"
          "x-amz-content-sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
          "\n"
          "x-amz-date:20261120T165000Z\n"
          "\n"
          "host;x-amz-content-sha256;x-amz-date\n"
          "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
          "64ee6ec49acde8129a71cf9adfa43532e5ce565036a60a90558fdff626275d17",
          "d28d72aeec73d77e016a383875b9cc70482c226048769a3ecfb7e7bd7448b220" },
        { "s3 unsigned payload",
          "s3",
          "us-east-1",
          EXAMPLE_SECRET,
          1795193400,
          0,
          "PUT",
          "https://b.s3.us-east-1.amazonaws.com/k?partNumber=2&uploadId=VXBsb2Fk.ID_-~",
          { { "host", "b.s3.us-east-1.amazonaws.com" },
            { "x-amz-content-sha256", "UNSIGNED-PAYLOAD" },
            { "x-amz-date", "20261120T165000Z" } },
          "0123456789",
          "PUT\n"
          "/k\n"
          "partNumber=2&uploadId=VXBsb2Fk.ID_-~\n"
          "host:b.s3.us-east-1.amazonaws.com\n"
          "x-amz-content-sha256:UNSIGNED-PAYLOAD\n"
          "x-amz-date:20261120T165000Z\n"
          "\n"
          "host;x-amz-content-sha256;x-amz-date\n"
          "UNSIGNED-PAYLOAD",
          "95a1bb7ad7fe209cf6ccca09240fad3c61c1b94a66cb1182688c814f9bd0d3b4",
          "796b56f0da02868a145febb2f7467fb23b7aceaec1d616feeb8f6dab5af5458a" },
        { "sts form",
          "sts",
          "us-east-1",
          EXAMPLE_SECRET,
          1795193400,
          NORMALIZE | DOUBLE_ENCODE,
          "POST",
          "https://sts.us-east-1.amazonaws.com/",
          { { "Content-Type", "application/x-www-form-urlencoded; charset=utf-8" },
            { "x-amz-date", "20261120T165000Z" } },
          "Action=GetCallerIdentity&Version=2011-06-15",
          "POST\n"
          "/\n"
          "\n"
          "content-type:application/x-www-form-urlencoded; charset=utf-8\n"
          "host:sts.us-east-1.amazonaws.com\n"
          "x-amz-date:20261120T165000Z\n"
          "\n"
          "content-type;host;x-amz-date\n"
          "ab821ae955788b0e33ebd34c208442ccfc2d406e2edc5e7a39bd6458fbb4f843",
          "d4470c7263b3a4cb7328a6e736d35aea845e22c2d3577d58f3e7ff643c67ada4",
          "8439ae1bb4079501605b4d7e30a930ac88373fb32c0667ec2241b124da819f48" },
};
