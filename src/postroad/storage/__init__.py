"""Files under the data folder, and what every store of ours is built on."""
