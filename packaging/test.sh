#!/usr/bin/env bash
# Builds the Debian package, installs it in a copy of this system that systemd boots, and runs the service there in its
# sandbox: `packaging/test.sh [PROFILE | FILE.deb]`. Needs root, systemd and curl. Changes nothing outside of target/:
# the copy is an overlay in memory with its own processes and its own network.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { echo "FAILED, expected: $*" >&2; exit 1; }

outside() {
    local package root init
    case ${1:-} in
        *.deb) package=$1 ;;
        *) package=$(packaging/build.sh "$@") ;;
    esac
    dpkg-deb --info "$package"
    root=$(mktemp -d)
    unshare --mount --net --pid --ipc --uts --cgroup --fork --kill-child packaging/test.sh --boot "$root" "$package" &
    # unshare ignores SIGTERM. When it is killed, all processes of the copy end.
    trap "kill -KILL $!; wait; rmdir $root" EXIT
    until init=$(pgrep --parent $! systemd); do sleep 0.1; done
    enter() { nsenter --target "$init" --all --root --wdns=/ /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root "$@"; }
    enter bash -c 'until systemctl is-system-running --wait; do sleep 0.1; done' 2> /dev/null || true
    enter /opt/test.sh --check
}

# Boots the copy. PID 1 of a new namespace.
boot() {
    local root=$1 package=$2
    mount --make-rprivate /
    mount -t tmpfs tmpfs "$root"
    mkdir "$root"/{upper,work,root}
    mount -t overlay overlay -o "lowerdir=/,upperdir=$root/upper,workdir=$root/work" "$root/root"
    cp "$package" "$root/root/opt/gatepass.deb"
    cp packaging/test.sh "$root/root/opt/"
    cd "$root/root"
    # In container images, this file keeps packages from starting services.
    rm -f usr/sbin/policy-rc.d
    mount -t proc proc proc
    mount -t sysfs sysfs sys
    mount -t cgroup2 cgroup2 sys/fs/cgroup
    mount -t tmpfs tmpfs run
    mount -t tmpfs tmpfs tmp
    mount -t tmpfs -o mode=755 tmpfs dev
    local device
    for device in null zero full random urandom tty; do touch "dev/$device"; mount --bind "/dev/$device" "dev/$device"; done
    mkdir dev/pts dev/shm
    ln -s pts/ptmx dev/ptmx
    # A chroot is not enough: systemd cannot create the mount namespaces of services in one.
    pivot_root . .
    umount --lazy .
    # systemd expects shared mounts in a container: it passes credentials to services through such a mount.
    mount --make-rshared /
    exec /usr/bin/env -i container=gatepass PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd \
        --unit=basic.target --log-target=journal --show-status=no
}

# The checks, in the copy.
check() {
    export DEBIAN_FRONTEND=noninteractive
    local config=/etc/gatepass/gatepass.toml state=/var/lib/gatepass url=http://127.0.0.1:8000 token before
    local install=(dpkg --force-confdef --force-confold --install /opt/gatepass.deb)
    # runuser would wait for logind.
    as_service() { setpriv --reuid gatepass --regid gatepass --clear-groups "$@"; }
    property() { systemctl show --value --property "$1" gatepass; }
    ready() { timeout 30 bash -c 'until gatepass healthcheck 2> /dev/null; do sleep 0.1; done' || { journalctl --no-pager -u gatepass; fail "$1"; }; }
    sign_in() { curl --silent --fail -d "username=johndoe&password=a long passphrase" "$url/token" | sed -n 's/.*"access_token":"\([^"]*\)".*/\1/p'; }
    ip link set lo up

    "${install[@]}"
    [ "$(stat -c '%a %U %G' $state)" = '700 gatepass gatepass' ] || fail "$state has mode 700 and belongs to gatepass"
    [ "$(systemctl is-enabled gatepass)$(property ActiveState)" = disabledinactive ] || fail 'the installation neither enables nor starts the service'
    systemd-analyze verify gatepass.service
    systemd-analyze security --no-pager --offline=true --threshold=15 /usr/lib/systemd/system/gatepass.service | tail -1
    for page in gatepass gatepass-serve gatepass-users-add; do man --where "$page"; done
    ls /usr/share/bash-completion/completions/gatepass /usr/share/zsh/vendor-completions/_gatepass \
        /usr/share/fish/vendor_completions.d/gatepass.fish
    # In the test, a system call that the filter refuses ends the process.
    mkdir -p /run/systemd/system/gatepass.service.d
    printf '[Service]\nSystemCallErrorNumber=kill\n' > /run/systemd/system/gatepass.service.d/test.conf
    systemctl daemon-reload

    echo '== It starts, creates database and keys, and a user can sign in.'
    as_service gatepass users add johndoe --password-stdin --config $config <<< 'a long passphrase'
    systemctl enable --now gatepass
    ready 'the service starts'
    token=$(sign_in)
    curl --silent --fail -H "Authorization: Bearer $token" $url/users/me; echo
    find $state -type f -exec stat -c '%a %U %n' {} +
    [ -z "$(find $state -type f \( -perm /077 -o ! -user gatepass \))" ] || fail 'only the service can read its files'
    ls $state/gatepass.db $state/keys/*.pem > /dev/null
    grep -E '^(NoNewPrivs|Seccomp|CapEff|CapBnd|Uid):' "/proc/$(property MainPID)/status"
    grep -q '^Seccomp:.2' "/proc/$(property MainPID)/status" || fail 'the system call filter is active'

    echo '== After a restart and an upgrade, tokens and the configuration stay.'
    systemctl restart gatepass
    ready 'the service starts again'
    curl --silent --fail -o /dev/null -H "Authorization: Bearer $token" $url/users/me
    echo '# a local change' >> $config
    before=$(property MainPID)
    "${install[@]}"
    ready 'the upgraded service starts'
    [ "$(property MainPID)" != "$before" ] || fail 'an upgrade restarts the service'
    grep -q '# a local change' $config || fail 'an upgrade keeps the configuration'
    curl --silent --fail -o /dev/null -H "Authorization: Bearer $token" $url/users/me

    echo '== The service can read a credential.'
    printf 'sqlite:%s/other.db\n' $state > /etc/gatepass/database-url
    chmod 600 /etc/gatepass/database-url
    printf '[Service]\nLoadCredential=database-url:/etc/gatepass/database-url\nEnvironment=GATEPASS_DATABASE_URL_FILE=%%d/database-url\n' \
        > /run/systemd/system/gatepass.service.d/credential.conf
    systemctl daemon-reload
    systemctl restart gatepass
    ready 'the service starts with a credential'
    [ -e $state/other.db ] || fail 'the service uses the database in the credential'
    rm /run/systemd/system/gatepass.service.d/credential.conf
    systemctl daemon-reload

    echo '== An error in the configuration is reported once.'
    echo 'bimd = "127.0.0.1:8000"' >> $config
    systemctl restart gatepass
    timeout 30 bash -c 'until [ "$(systemctl is-active gatepass)" = failed ]; do sleep 0.1; done' || fail 'the service refuses to start'
    [ "$(property ExecMainStatus) $(property NRestarts)" = '2 0' ] || fail 'the service exits with 2 and is not restarted'
    journalctl --no-pager -o cat -u gatepass | grep "^gatepass: $config line .*did you mean \"bind\"" || fail 'the log names the file and the line'
    sed -i '$d' $config
    systemctl reset-failed gatepass
    systemctl start gatepass
    ready 'the service starts with the corrected configuration'
    sign_in > /dev/null

    echo '== Removal keeps configuration and data, and a purge keeps data.'
    dpkg --remove gatepass
    [ "$(property ActiveState)" != active ] || fail 'a removal stops the service'
    [ ! -e /usr/bin/gatepass ] && [ -e $config ] && [ -e $state/gatepass.db ] || fail 'a removal keeps configuration and data'
    dpkg --purge gatepass
    [ ! -e $config ] && [ -e $state/gatepass.db ] && id gatepass > /dev/null || fail 'a purge keeps data and user, but not the configuration'
    echo 'The package works.'
}

case ${1:-} in
    --boot) shift; boot "$@" ;;
    --check) check ;;
    *) outside "$@" ;;
esac
