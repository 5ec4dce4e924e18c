"""Networks that a page can run by itself: taken apart into layers, made small enough, stored in few bits."""

EXHIBIT = "application/vnd.lab.exhibit+json"  # {"id", "budget", "networks", "arrays", "about"}
