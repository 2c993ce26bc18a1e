# Makes a base without glibc in "$1/image", from a tree with the unpacked packages musl, musl-dev, busybox-static and tcc.
# `musl-hello` is a program linked dynamically with musl: it prints a greeting, or the variable named by its argument.
set -eu
tree=$1
triplet=$(basename "$tree"/usr/lib/*-linux-musl)
loader=$(basename "$tree"/lib/ld-musl-*.so.1)

cat > "$tree/musl-hello.c" <<'PROGRAM'
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    const char *text = argc > 1 ? getenv(argv[1]) : "hello from musl";
    return puts(text ? text : "(unset)") < 0;
}
PROGRAM
chroot "$tree" /bin/busybox env LD_SO="/lib/$loader" tcc -nostdlib -nostdinc "-I/usr/include/$triplet" \
    -o /musl-hello "/usr/lib/$triplet/crt1.o" "/usr/lib/$triplet/crti.o" /musl-hello.c \
    "-L/lib/$triplet" -lc "/usr/lib/$triplet/crtn.o"

image=$tree/image
mkdir -p "$image/bin" "$image/etc" "$image/lib/$triplet" "$image/root" "$image/usr/bin"
mkdir -m 1777 "$image/tmp"
cp -a "$tree/lib/$loader" "$image/lib/"
cp -a "$tree/lib/$triplet/libc.so" "$image/lib/$triplet/"
cp -a "$tree"/etc/ld-musl-* "$image/etc/"
cp -a "$tree/bin/busybox" "$image/bin/"
mv "$tree/musl-hello" "$image/usr/bin/"
chroot "$image" /bin/busybox --install -s /bin
echo 'root:x:0:0:root:/root:/bin/sh' > "$image/etc/passwd"
echo 'root:x:0:' > "$image/etc/group"
