namespace Gateway.Model.Numerics;

public sealed unsafe partial class Compute
{
    /// <summary>Replaces logits [rows, vocabulary] by (softmax − one-hot)·scale and returns Σ −log p(label), added in the order of rows.</summary>
    /// <param name="labels">One per row; a row with a negative label has no loss and a zero gradient.</param>
    public double CrossEntropy(float* logits, int rows, int vocabulary, int* labels, float scale)
    {
        CheckLabels(labels, rows, vocabulary);
        double* losses = (double*)_results.Reserve(2L * rows);
        OverRange(rows, RowsPerChunk(vocabulary), new CrossEntropyWork(logits, vocabulary, labels, scale, losses));
        return Total(losses, rows);
    }

    /// <summary>logProbabilities[r] = log softmax(logits[r])[labels[r]]; logits are kept. A negative label gives 0.</summary>
    public void LogSoftmaxPick(float* logits, int rows, int vocabulary, int* labels, double* logProbabilities)
    {
        CheckLabels(labels, rows, vocabulary);
        OverRange(rows, RowsPerChunk(vocabulary), new LogSoftmaxWork(logits, vocabulary, labels, logProbabilities));
    }

    private static void CheckLabels(int* labels, int rows, int vocabulary)
    {
        for (int row = 0; row < rows; row++)
        {
            if (labels[row] >= vocabulary)
            {
                throw new ArgumentOutOfRangeException(nameof(labels), $"Label {labels[row]} of row {row} is outside the vocabulary of {vocabulary}: encode with the tokenizer of this model.");
            }
        }
    }

    private readonly struct CrossEntropyWork(float* logits, int vocabulary, int* labels, float scale, double* losses) : IRangeWork
    {
        public void Run(Kernels kernels, int first, int count, Scratch scratch)
        {
            for (int row = first; row < first + count; row++)
            {
                float* values = logits + ((nint)row * vocabulary);
                if (labels[row] < 0)
                {
                    new Span<float>(values, vocabulary).Clear();
                    losses[row] = 0;
                }
                else
                {
                    losses[row] = kernels.CrossEntropyRow(values, vocabulary, labels[row], scale);
                }
            }
        }
    }

    private readonly struct LogSoftmaxWork(float* logits, int vocabulary, int* labels, double* logProbabilities) : IRangeWork
    {
        public void Run(Kernels kernels, int first, int count, Scratch scratch)
        {
            for (int row = first; row < first + count; row++)
            {
                logProbabilities[row] = labels[row] < 0 ? 0 : kernels.LogProbability(logits + ((nint)row * vocabulary), vocabulary, labels[row]);
            }
        }
    }
}
