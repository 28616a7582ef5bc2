//! The service in the environment that docs/kubernetes.md describes: an arbitrary user, a read-only working directory,
//! and keys in a Secret.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink},
    path::Path,
    process::Command,
};

use crate::{
    secure::{Gatepass, JOHNDOE, Service, TIMEOUT, add_johndoe, get, serve_command, skip, wait_until},
    support::{
        disk::Disk,
        folder::Folder,
        service::{gatepass, wrapped},
    },
};

/// A user that is not in /etc/passwd.
const USER: u32 = 1_000_680_000;

/// The group that owns the volumes.
const GROUP: u32 = 65532;

/// Returns a command that runs `command` as [`USER`] in a working directory that this user cannot write to. If the
/// tests do not run as root, reports the test as skipped and returns `None`.
fn as_user(command: &mut Command) -> Option<Command> {
    let user = format!("setpriv --reuid={USER} --regid={GROUP} --clear-groups");
    let user: Vec<_> = user.split(' ').collect();
    let version = wrapped(&user, &gatepass(&["--version"], &[])).output();
    if version.is_ok_and(|output| output.status.success()) {
        return Some(wrapped(&user, command.current_dir("/")));
    }
    skip("only root can run the program as another user");
    None
}

/// Creates a directory with the group and the mode that a Kubernetes volume with `fsGroup` has.
fn volume(folder: &Folder, name: &str) -> String {
    let path = folder.file(name);
    fs::create_dir(&path).unwrap();
    chown(&path, None, Some(GROUP)).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o2770)).unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    path
}

/// Updates a Secret as the kubelet does: copies the files in `keys` to a new directory, and then points the link
/// `..data` to this directory.
fn update_secret(secret: &Path, version: &str, keys: &Path) {
    let directory = secret.join(version);
    fs::create_dir(&directory).unwrap();
    for entry in fs::read_dir(keys).unwrap().map(|entry| entry.unwrap()) {
        let file = directory.join(entry.file_name());
        fs::copy(entry.path(), &file).unwrap();
        chown(&file, None, Some(GROUP)).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o440)).unwrap();
        let link = secret.join(entry.file_name());
        if !link.is_symlink() {
            symlink(Path::new("..data").join(entry.file_name()), link).unwrap();
        }
    }
    symlink(version, secret.join("..data_tmp")).unwrap();
    fs::rename(secret.join("..data_tmp"), secret.join("..data")).unwrap();
}

fn key_count(service: &Service) -> usize {
    get("/.well-known/jwks.json").send(service.address).json()["keys"].as_array().unwrap().len()
}

#[test]
fn keys_in_a_kubernetes_secret_are_read_through_symlinks_and_reloaded_after_an_update() {
    let mut gatepass = Gatepass::on_sqlite();
    let data = volume(&gatepass.folder, "data");
    gatepass.url = format!("sqlite:{data}/gatepass.db");
    let own_keys = gatepass.folder.file("keys");
    gatepass.done(&["keys", "rotate"]);
    let mounted = Disk::mount("1m").and_then(|disk| Ok((disk.read_only()?, disk)));
    let (mount, secret) = match mounted {
        Ok(disks) => disks,
        Err(why) => return skip(why),
    };
    fs::set_permissions(secret.path(), Permissions::from_mode(0o1777)).unwrap();
    update_secret(secret.path(), "..2026_1", Path::new(&own_keys));

    let keys = mount.path().to_str().unwrap();
    let Some(mut command) = as_user(&mut serve_command(&gatepass, &["--keys-dir", keys])) else { return };
    let service = Service::run(&mut command);
    add_johndoe(&gatepass);
    let token = service.token(JOHNDOE);
    assert_eq!((service.users_me(&token).status, key_count(&service)), (200, 1));
    gatepass.done(&["keys", "rotate"]);
    update_secret(secret.path(), "..2026_2", Path::new(&own_keys));
    wait_until(TIMEOUT, "the new key is published", || key_count(&service) == 2);
    assert_eq!(service.users_me(&token).status, 200);
    assert!(!service.program.log().contains("the keys in memory stay in use"), "{}", service.program.log());
}

#[test]
fn service_running_as_any_user_can_store_its_database_and_keys_on_a_volume_owned_by_its_group() {
    let mut gatepass = Gatepass::on_sqlite();
    let (data, keys) = (volume(&gatepass.folder, "data"), volume(&gatepass.folder, "volume"));
    gatepass.url = format!("sqlite:{data}/gatepass.db");
    // The key directory is either the mount point of a volume or a directory that the service creates on a volume.
    for keys_dir in [keys.clone(), format!("{data}/keys")] {
        let mut command = serve_command(&gatepass, &["--keys-dir", &keys_dir]);
        let Some(mut command) = as_user(&mut command) else { return };
        for _ in 0..2 {
            let service = Service::run(&mut command);
            assert_eq!(key_count(&service), 1);
        }
        let files = fs::read_dir(&keys_dir).unwrap().map(|entry| entry.unwrap().metadata().unwrap());
        assert!(files.into_iter().all(|file| file.uid() == USER && file.mode() & 0o077 == 0));
    }
    assert_eq!(fs::metadata(format!("{data}/gatepass.db")).unwrap().mode() & 0o777, 0o600);
}
