using System.Globalization;

namespace Gateway.Storage.Files;

/// <summary>
/// The exclusive claim of one process on a data folder. The operating system drops it with the process, however that ends,
/// so there is no stale lock to clean up. The process id lies in a file of its own because the locked one cannot be read.
/// </summary>
internal sealed class FolderLock : IDisposable
{
    private readonly FileStream held;

    private FolderLock(FileStream held) => this.held = held;

    /// <summary>Creates the folder if needed and claims it.</summary>
    /// <exception cref="StoreUnavailableException">Another process holds the folder, or it cannot be written.</exception>
    public static FolderLock Take(string folder)
    {
        var owner = Path.Combine(folder, "lock.pid");
        FileStream? held = null;
        try
        {
            Directory.CreateDirectory(folder);
            held = Hold(Path.Combine(folder, "lock"));
            File.WriteAllText(owner, Environment.ProcessId.ToString(CultureInfo.InvariantCulture));
            return new FolderLock(held);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            held?.Dispose();
            throw exception is LockedException
                ? new StoreUnavailableException(
                    $"the data folder {folder} is in use by process {ReadOwner(owner)}: stop it or pass --data with another folder", exception)
                : new StoreUnavailableException(
                    $"the data folder {folder} cannot be written ({exception.Message}): make it writable or pass --data with another folder", exception);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => held.Dispose();

    private static FileStream Hold(string path)
    {
        try
        {
            return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException exception) when (File.Exists(path) && exception.GetType() == typeof(IOException) && CanCreateBeside(path))
        {
            throw new LockedException(exception);
        }
    }

    /// <summary>Tells a held lock from a failing or read-only folder: both arrive as a plain IOException.</summary>
    private static bool CanCreateBeside(string path)
    {
        try
        {
            using var probe = new FileStream($"{path}.{Environment.ProcessId}", FileMode.Create, FileAccess.Write, FileShare.None, 1, FileOptions.DeleteOnClose);
            return true;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private static string ReadOwner(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (IOException)
        {
            return "unknown";
        }
    }

    private sealed class LockedException(IOException inner) : IOException(inner.Message, inner);
}
