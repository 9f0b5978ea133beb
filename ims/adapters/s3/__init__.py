"""Files on S3, and on what speaks its protocol."""

from ims.adapters.s3.files import S3Files as S3Files
