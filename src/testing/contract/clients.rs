//! The rules of [`ClientRegistry`].

use crate::{
    domain::{client::Client, ports::ClientRegistry},
    testing::contract::{Check, Contract, Violation, ensure, ensure_eq, parse, unknown_names},
};

/// Checks the rules of [`ClientRegistry`] with these clients, which must be registered. Include a public client, a
/// confidential client, and a client with fewer scopes, grants and audiences than the default.
///
/// # Errors
/// [`Violation`] for the first rule that the registry violates.
pub async fn client_registry<R: ClientRegistry>(registry: &R, clients: &[Client]) -> Result<(), Violation> {
    let contract = Contract { name: "ClientRegistry", source: include_str!("../../domain/ports.rs") };
    contract.check("registered-client", registered_client(registry, clients)).await?;
    contract.check("unknown-client", unknown_client(registry)).await?;
    contract.check("exact-client-id", exact_client_id(registry, clients)).await
}

async fn registered_client<R: ClientRegistry>(registry: &R, clients: &[Client]) -> Check {
    ensure!(!clients.is_empty(), "expected at least one registered client, but `clients` is empty");
    for client in clients {
        ensure_eq!(
            registry.find(&client.id).await?.as_ref(),
            Some(client),
            "the result of `find` for the registered client {}",
            client.id
        );
    }
    Ok(())
}

async fn unknown_client<R: ClientRegistry>(registry: &R) -> Check {
    for name in unknown_names(255) {
        let found = registry.find(&parse(&name)).await?;
        ensure_eq!(found, None, "the result of `find` for the unknown client {name:?}");
    }
    Ok(())
}

async fn exact_client_id<R: ClientRegistry>(registry: &R, clients: &[Client]) -> Check {
    for client in clients {
        let id = client.id.as_str();
        for other in [id.to_uppercase(), id.to_lowercase(), format!("{id} "), format!(" {id}")] {
            let is_registered = clients.iter().any(|client| client.id.as_str() == other);
            if other.len() <= 255 && !is_registered {
                let found = registry.find(&parse(&other)).await?;
                ensure_eq!(
                    found,
                    None,
                    "the result of `find` for {other:?}, which is similar to the client {id:?}"
                );
            }
        }
    }
    Ok(())
}
