"""Creates a container in the Azurite at a port, with the account and key given."""

import base64
import email.utils
import hashlib
import hmac
import sys
import urllib.request

port, container, account, key = sys.argv[1:]
date = email.utils.formatdate(usegmt=True)
headers = {"x-ms-date": date, "x-ms-version": "2021-08-06"}
signed = "\n".join(
    ["PUT", *[""] * 2, "", *[""] * 8]
    + [f"{name}:{value}" for name, value in sorted(headers.items())]
    + [f"/{account}/{account}/{container}", "restype:container"]
)
signature = base64.b64encode(hmac.new(base64.b64decode(key), signed.encode(), hashlib.sha256).digest()).decode()
request = urllib.request.Request(
    f"http://127.0.0.1:{port}/{account}/{container}?restype=container",
    method="PUT",
    headers={**headers, "Authorization": f"SharedKey {account}:{signature}"},
)
urllib.request.urlopen(request, timeout=10)
