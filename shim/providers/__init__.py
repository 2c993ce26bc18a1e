"""One provider an ecosystem: how its components are chosen, fetched and put into a layer."""
