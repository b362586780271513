"""The wire protocol: frames between hubcheck and its workers, and control packets between hubcheck and the server."""
