#!/bin/sh
# Proves from the #include lines that no file reaches up: lowest first, the layers are
#     base -> wire -> engine -> runtime, service, store -> serve, handlers, modules -> main
# and a file includes only its own layer or a lower one. Speaks TAP, one line a rule. Before the tree
# it tries itself: in a small tree of its own it plants one bad include a rule and must see it.
#
#     tests/layers.sh [TOP]      TOP is the top of the source tree
top=${1:-${KEEL_SRCDIR:-.}}
scratch=$(mktemp -d) || exit 99
trap 'rm -rf "$scratch"' EXIT

sentence() { # RULE
    case $1 in
    known) echo 'every source file stands in a folder of the plan' ;;
    path) echo 'our own headers are included by their path from the top, and exist' ;;
    own) echo 'a source file includes its own header first, which proves that the header stands alone' ;;
    alone) echo 'the core includes nothing of a daemon' ;;
    daemon) echo 'a daemon includes of another daemon only its wire' ;;
    layer) echo 'a file includes only its own layer or a lower one' ;;
    libevent) echo 'libevent is included only in common/runtime and common/service' ;;
    openssl) echo 'OpenSSL is included only in common/base/digest and the TLS files of common/runtime' ;;
    lmdb) echo 'lmdb.h is included only in common/store' ;;
    confuse) echo 'confuse.h is included only in common/service' ;;
    nghttp2) echo 'nghttp2 is included only in httpd/conn' ;;
    pcre2) echo 'PCRE2 is included only in httpd/request' ;;
    ldns) echo 'ldns is included only in dnsd' ;;
    esac
}
rules='known path own alone daemon layer libevent openssl lmdb confuse nghttp2 pcre2 ldns'

# Prints "RULE FILE:LINE: INCLUDE" for every breach in the tree $1.
breaches() {
    (cd "$1" && find common dnsd dhcpd httpd -name '*.[ch]' 2>/dev/null | sort >"$scratch/files" &&
        xargs awk -v list="$scratch/files" '
        BEGIN {
            while ((getline line < list) > 0)
                exists[line] = 1
            rank["common/base"] = 1
            rank["dnsd/wire"] = rank["dhcpd/wire"] = rank["httpd/wire"] = 2
            rank["dnsd/zone"] = rank["dnsd/answer"] = rank["dnsd/transfer"] = 3
            rank["dhcpd/lease"] = rank["dhcpd/engine"] = 3
            rank["httpd/request"] = rank["httpd/conn"] = 3
            rank["common"] = 4 # keel.h: all of the core
            rank["common/runtime"] = rank["common/service"] = rank["common/store"] = 4
            rank["dnsd/serve"] = rank["dhcpd/serve"] = rank["httpd/serve"] = 5
            rank["httpd/handlers"] = rank["httpd/log"] = 5
            rank["dnsd/modules"] = rank["dhcpd/modules"] = rank["httpd/modules"] = 5
            rank["dnsd"] = rank["dhcpd"] = rank["httpd"] = 6
            rank["common/keelctl"] = rank["common/keeld"] = 6
        }
        function folder(path) {
            sub(/\/[^\/]*$/, "", path)
            return path
        }
        function owner(path) { # common or the daemon
            sub(/\/.*/, "", path)
            return path
        }
        function breach(rule) {
            print rule " " FILENAME ":" FNR ": " $0
        }
        # the first include of X.c is X.h, or a header with more of X in it, as X_private.h
        function first(name) {
            own = FILENAME
            sub(/c$/, "h", own)
            prefix = FILENAME # X_private.h, which then has X.h first
            sub(/\.c$/, "_", prefix)
            if (own in exists && own != FILENAME && name != own && index(name, prefix) != 1)
                breach("own")
        }
        function ours(name) {
            if (!(name in exists)) {
                breach("path")
                return
            }
            from = owner(FILENAME)
            to = owner(name)
            if (to != "common" && to != from) {
                if (from == "common")
                    breach("alone")
                else if (folder(name) != to "/wire")
                    breach("daemon")
            }
            if (rank[folder(name)] > rank[folder(FILENAME)])
                breach("layer")
        }
        function foreign(name) {
            if (name ~ /^(event2\/|event\.h|evutil\.h|evhttp\.h|evdns\.h)/ &&
                FILENAME !~ /^common\/(runtime|service)\//)
                breach("libevent")
            if (name ~ /^openssl\// && FILENAME !~ /^common\/(base\/digest|runtime\/[a-z_]*tls[a-z_]*)\.[ch]$/)
                breach("openssl")
            if (name ~ /^lmdb\.h/ && FILENAME !~ /^common\/store\//)
                breach("lmdb")
            if (name ~ /^confuse\.h/ && FILENAME !~ /^common\/service\//)
                breach("confuse")
            if (name ~ /^nghttp2\// && FILENAME !~ /^httpd\/conn\//)
                breach("nghttp2")
            if (name ~ /^pcre2/ && FILENAME !~ /^httpd\/request\//)
                breach("pcre2")
            if (name ~ /^ldns\// && FILENAME !~ /^dnsd\//)
                breach("ldns")
        }
        FNR == 1 { included = 0 }
        FNR == 1 && !(folder(FILENAME) in rank) { print "known " FILENAME ": no layer has this folder" }
        /^[ \t]*#[ \t]*include/ {
            name = $0
            sub(/^[ \t]*#[ \t]*include[ \t]*/, "", name)
            quoted = name ~ /^"/
            angled = name ~ /^</
            name = substr(name, 2)
            sub(/[">].*/, "", name)
            if (!quoted && !angled) # a macro: nobody can tell what it brings
                breach("path")
            if (name == "config.h" && quoted)
                next
            if (++included == 1)
                first(name)
            if (!quoted && !angled)
                next
            if (name == "keel.h" || name ~ /^<?(common|dnsd|dhcpd|httpd)\//)
                ours(name == "keel.h" ? "common/keel.h" : name)
            else if (quoted)
                breach("path")
            else
                foreign(name)
        }' <"$scratch/files")
}

count=0
failed=0
result() { # FILE-OF-BREACHES NAME: ok when the file is empty
    count=$((count + 1))
    if [ -s "$1" ]; then
        failed=1
        echo "not ok $count - $2"
        sed 's/^/# /' "$1"
    else
        echo "ok $count - $2"
    fi
}

# A tree of one file a layer, each including what it may.
plant_good() {
    tree=$scratch/tree
    rm -rf "$tree"
    for daemon in dnsd dhcpd httpd; do
        mkdir -p "$tree/$daemon/wire" "$tree/$daemon/serve"
        echo '#include "common/base/x.h"' >"$tree/$daemon/wire/x.h"
        printf '#include "common/runtime/x.h"\n#include "%s/wire/x.h"\n' $daemon >"$tree/$daemon/serve/x.h"
        printf '#include "keel.h"\n#include "%s/serve/x.h"\n' $daemon >"$tree/$daemon/main.c"
    done
    mkdir -p "$tree/common/base" "$tree/common/runtime" "$tree/common/store" "$tree/dnsd/zone"
    printf '#include <stddef.h>\n' >"$tree/common/base/x.h"
    printf '#include "config.h"\n#include <openssl/evp.h>\n' >"$tree/common/base/digest.c"
    printf '#include <event2/event.h>\n#include "common/store/x.h"\n' >"$tree/common/runtime/x.h"
    printf '#include <openssl/ssl.h>\n' >"$tree/common/runtime/tls.c"
    printf '#include <lmdb.h>\n#include "common/base/x.h"\n' >"$tree/common/store/x.h"
    printf '#include "common/runtime/x.h"\n' >"$tree/common/keel.h"
    printf '#include "dnsd/wire/x.h"\n#include <ldns/ldns.h>\n' >"$tree/dnsd/zone/x.h"
    printf '#include "dnsd/wire/x.h"\n' >"$tree/dhcpd/serve/y.c"
}

# One bad include a line: the rule that must see it, the file, what it says.
while read -r rule file include; do
    plant_good
    mkdir -p "$tree/${file%/*}"
    echo "$include" >"$tree/$file"
    breaches "$tree" >"$scratch/found"
    cut -d' ' -f1 "$scratch/found" | sort -u >"$scratch/seen"
    echo "$rule" | cmp -s - "$scratch/seen" && : >"$scratch/found" ||
        echo "expected a breach of \"$rule\" and of nothing else" >>"$scratch/found"
    result "$scratch/found" "seen when planted in $file: ${include#*#}"
done <<'EOF'
known common/util/x.c #include <stddef.h>
known dnsd/zone/deep/x.c #include <stddef.h>
path common/base/y.c #include "x.h"
path common/base/y.c #include "common/base/missing.h"
path common/base/y.c #include HEADER
own common/base/x.c #include <stddef.h>
alone common/runtime/y.c #include "dnsd/wire/x.h"
daemon httpd/serve/y.c #include "dnsd/zone/x.h"
daemon dhcpd/serve/y.c   #  include "dnsd/zone/x.h"
layer common/base/y.c #include "common/runtime/x.h"
layer common/base/y.c #include <common/runtime/x.h>
layer dnsd/wire/y.c #include "dnsd/zone/x.h"
layer dnsd/zone/y.c #include "common/store/x.h"
layer dnsd/zone/y.c #include "keel.h"
layer httpd/conn/y.c #include "common/runtime/x.h"
layer dhcpd/engine/y.h #include "dhcpd/serve/x.h" // why not
libevent dnsd/answer/y.c #include <event2/event.h>
libevent httpd/serve/y.c #include <event2/buffer.h>
openssl common/base/hash.c #include <openssl/evp.h>
openssl httpd/conn/y.c #include <openssl/ssl.h>
lmdb dhcpd/lease/y.c #include <lmdb.h>
confuse dnsd/options.c #include <confuse.h>
nghttp2 httpd/serve/y.c #include <nghttp2/nghttp2.h>
pcre2 httpd/serve/y.c #include <pcre2.h>
ldns httpd/serve/y.c #include <ldns/ldns.h>
EOF

plant_good
breaches "$tree" >"$scratch/found"
result "$scratch/found" 'nothing is seen in a tree without a breach'

breaches "$top" >"$scratch/all"
[ -s "$scratch/files" ] || echo "no source file under $top" >>"$scratch/all"
for rule in $rules; do
    grep "^$rule " "$scratch/all" | cut -d' ' -f2- >"$scratch/found"
    result "$scratch/found" "$(sentence "$rule")"
done
grep '^no source' "$scratch/all" >"$scratch/found"
result "$scratch/found" "read the includes of $(wc -l <"$scratch/files") files"
echo "1..$count"
exit $failed
