"""The desk itself: accounts, orders and rules; knows no terminal and no wire protocol."""
